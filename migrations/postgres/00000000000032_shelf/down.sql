DROP TABLE shelf_pieces;

DROP TABLE shelf_things;

DELETE FROM content_keys WHERE purpose <> 'content';

DROP INDEX content_keys_of_teams;

ALTER TABLE content_keys DROP COLUMN purpose;

CREATE UNIQUE INDEX content_keys_of_teams ON content_keys (team_id) WHERE destroyed_at IS NULL;
