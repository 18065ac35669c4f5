-- SQLite tells nobody that the world moved on: nodes look.
SELECT 1;
