-- A table takes its triggers and indexes with it, and dropping one fires no trigger of its rows.
DROP TABLE key_addresses;
DROP TABLE idempotency_keys;
DROP TABLE anomalies;
DROP TABLE audit_log;
DROP TABLE audit_days;
DROP FUNCTION audit_log_takes_the_next_row_of_the_open_day;
DROP FUNCTION audit_log_goes_by_whole_purged_days;
DROP FUNCTION audit_days_open_one_after_another;
DROP FUNCTION audit_days_are_sealed_once_and_purged_once;
DROP FUNCTION refuse;
DROP TABLE data_keys;
