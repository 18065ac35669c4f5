-- What is done for an alias's requests beyond choosing a model: `{"cache_ttl_s":60}`; an absent member is off.
ALTER TABLE routing_rules ADD COLUMN conduct TEXT COLLATE "C" NOT NULL DEFAULT '{}';
