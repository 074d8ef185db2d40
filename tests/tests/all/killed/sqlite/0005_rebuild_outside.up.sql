-- whimbrel:foreign-keys off
-- whimbrel:no-transaction
CREATE TABLE new_letters (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people (id), text TEXT);
INSERT INTO new_letters (id, person) SELECT id, person FROM letters;
DROP TABLE letters;
ALTER TABLE new_letters RENAME TO letters;
INSERT INTO ran VALUES ('rebuilt outside');
UPDATE counts SET n = n + 1 WHERE id = 5;
VACUUM;
