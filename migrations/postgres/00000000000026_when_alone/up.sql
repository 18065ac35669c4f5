-- What becomes of a call while a node has too little of the quota and nobody can be asked: `node`, as the node is told.
ALTER TABLE quotas ADD COLUMN when_alone TEXT COLLATE "C" NOT NULL DEFAULT 'node' CHECK (when_alone IN ('node', 'refuse', 'allow'));
