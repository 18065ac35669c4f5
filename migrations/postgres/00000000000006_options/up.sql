-- What a provider's kind takes beside the rest, as an object of texts.

ALTER TABLE service_providers ADD COLUMN options TEXT COLLATE "C" NOT NULL DEFAULT '{}';
