-- whimbrel:foreign-keys off
CREATE TABLE old_people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO old_people SELECT id, name FROM people;
DROP TABLE people;
ALTER TABLE old_people RENAME TO people;
INSERT INTO ran VALUES ('rebuilt as it was');
UPDATE counts SET n = n + 1 WHERE id = 4;
