-- A table takes its triggers and indexes with it, and dropping one fires no trigger of its rows.
DROP TABLE key_addresses;
DROP TABLE idempotency_keys;
DROP TABLE anomalies;
DROP TABLE audit_log;
DROP TABLE audit_days;
DROP TABLE data_keys;
