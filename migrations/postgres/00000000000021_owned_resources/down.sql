DROP TABLE owned_resources;
