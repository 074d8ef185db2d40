CREATE TYPE mood AS ENUM ('calm', 'glad');
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mood mood);
CREATE UNIQUE INDEX people_name ON people (name);
INSERT INTO people VALUES (1, 'Ada', 'calm'), (2, 'Grace', 'glad');
INSERT INTO ran VALUES ('people');
UPDATE counts SET n = n + 1 WHERE id = 1;
