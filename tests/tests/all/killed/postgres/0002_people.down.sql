DROP TABLE people;
DROP TYPE mood;
INSERT INTO ran VALUES ('people taken back');
UPDATE counts SET n = n + 1 WHERE id = 1;
