-- whimbrel:foreign-keys off
CREATE TABLE new_people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, mood TEXT NOT NULL DEFAULT 'calm');
INSERT INTO new_people (id, name) SELECT id, name FROM people;
DROP TABLE people;
ALTER TABLE new_people RENAME TO people;
INSERT INTO ran VALUES ('rebuilt');
UPDATE counts SET n = n + 1 WHERE id = 4;
