DROP TABLE shared_texts;
