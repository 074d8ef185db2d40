INSERT INTO ran VALUES ('people go');
DROP TABLE people;
UPDATE counts SET n = n + 1 WHERE id = 1;
