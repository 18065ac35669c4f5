ALTER TABLE nodes DROP COLUMN refused_revision;
ALTER TABLE world_revision DROP COLUMN being_made;
DROP TABLE revision_rows;
DROP TABLE revisions;
