DROP TABLE letters;
DROP TABLE people;
INSERT INTO ran VALUES ('people taken back');
