-- A table takes its triggers and indexes with it.
DROP TABLE usage_records;
DROP TABLE model_routes;
DROP TABLE service_providers;
DROP TABLE keys;
DROP TABLE teams;
DROP TABLE settings;
DROP TABLE world_revision;
DROP FUNCTION move_the_world;
