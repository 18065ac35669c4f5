-- Tokens a minute and requests at once, of providers and of models; all three bounds of teams and of keys.

ALTER TABLE service_providers ADD COLUMN token_limit BIGINT;
ALTER TABLE service_providers ADD COLUMN max_concurrent BIGINT;

ALTER TABLE model_routes ADD COLUMN token_limit BIGINT;
ALTER TABLE model_routes ADD COLUMN max_concurrent BIGINT;

ALTER TABLE teams ADD COLUMN rate_limit BIGINT;
ALTER TABLE teams ADD COLUMN token_limit BIGINT;
ALTER TABLE teams ADD COLUMN max_concurrent BIGINT;

ALTER TABLE keys ADD COLUMN rate_limit BIGINT;
ALTER TABLE keys ADD COLUMN token_limit BIGINT;
ALTER TABLE keys ADD COLUMN max_concurrent BIGINT;

-- What bounds a key has to reach the nodes.
CREATE TRIGGER keys_bounds_move_the_world AFTER UPDATE OF rate_limit, token_limit, max_concurrent ON keys
FOR EACH ROW EXECUTE FUNCTION move_the_world();
