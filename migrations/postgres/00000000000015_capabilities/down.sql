ALTER TABLE model_routes DROP COLUMN capabilities;
