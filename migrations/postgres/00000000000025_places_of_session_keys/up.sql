-- How many session keys a key has is counted whenever it makes one: by this index alone.
CREATE INDEX keys_by_parent_and_end ON keys (parent_id, expires_at, created_at, revoked_at);
