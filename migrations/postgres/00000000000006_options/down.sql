-- Options are lost, and endpoints with places in them lead nowhere: a program of that time leaves such a
-- provider out.

ALTER TABLE service_providers DROP COLUMN options;
