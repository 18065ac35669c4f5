DROP TABLE routing_rules;
ALTER TABLE model_routes DROP COLUMN tier;
ALTER TABLE model_routes DROP COLUMN fit;
