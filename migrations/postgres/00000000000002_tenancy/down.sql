-- Back to one credential a provider, and to keys without bounds. What was bounded is refused from then on,
-- because a program of that time would let it do everything.

UPDATE teams SET is_active = FALSE WHERE scope <> '{}';
UPDATE keys SET revoked_at = updated_at
WHERE revoked_at IS NULL AND (
    scope <> '{}' OR role IS NOT NULL OR signing <> 'off' OR is_disabled OR retires_at IS NOT NULL
);
DELETE FROM keys WHERE form = 'opaque' OR level = 'session';

DROP TRIGGER keys_insert_moves_the_world ON keys;
DROP TRIGGER keys_update_moves_the_world ON keys;
DROP TRIGGER keys_delete_moves_the_world ON keys;

DROP INDEX model_routes_by_time;
DROP INDEX model_routes_by_provider;
ALTER TABLE model_routes DROP COLUMN weight;
ALTER TABLE model_routes DROP COLUMN version;

DROP INDEX service_providers_by_time;
ALTER TABLE service_providers DROP COLUMN version;
ALTER TABLE service_providers ADD COLUMN api_key_sealed TEXT COLLATE "C";

UPDATE service_providers SET api_key_sealed = (
    SELECT c.api_key_sealed FROM provider_credentials c WHERE c.id = service_providers.id
);

DROP TABLE provider_credentials;
DROP TABLE user_sessions;
DROP TABLE users;

DROP INDEX keys_by_digest;
DROP INDEX keys_by_time;
DROP INDEX keys_by_team;
DROP INDEX keys_by_parent;
DROP INDEX keys_by_expiry;

ALTER TABLE keys DROP COLUMN role;
ALTER TABLE keys DROP COLUMN scope;
ALTER TABLE keys DROP COLUMN parent_id;
ALTER TABLE keys DROP COLUMN form;
ALTER TABLE keys DROP COLUMN digest;
ALTER TABLE keys DROP COLUMN signing;
ALTER TABLE keys DROP COLUMN signing_generation;
ALTER TABLE keys DROP COLUMN is_disabled;
ALTER TABLE keys DROP COLUMN retires_at;
ALTER TABLE keys DROP COLUMN replaced_by;
ALTER TABLE keys DROP COLUMN is_bound;
ALTER TABLE keys DROP COLUMN max_requests;
ALTER TABLE keys DROP COLUMN last_used_at;
ALTER TABLE keys DROP COLUMN created_by;
ALTER TABLE keys DROP COLUMN updated_at;
ALTER TABLE keys DROP COLUMN version;

DROP INDEX teams_by_time;
ALTER TABLE teams DROP COLUMN scope;
ALTER TABLE teams DROP COLUMN shield;
ALTER TABLE teams DROP COLUMN version;

CREATE TRIGGER keys_move_the_world AFTER INSERT OR UPDATE OR DELETE ON keys
FOR EACH ROW EXECUTE FUNCTION move_the_world();
