-- What an operator says a model can do, where that is other than what is known of it: an object, `{"thinking":"none"}`.
ALTER TABLE model_routes ADD COLUMN capabilities TEXT COLLATE "C" NOT NULL DEFAULT '{}';
