INSERT INTO ran VALUES ('before');
START TRANSACTION;
INSERT INTO ran VALUES ('inside');
UPDATE counts SET n = n + 1 WHERE id = 3;
COMMIT;
INSERT INTO ran VALUES ('behind');
CREATE VIEW names AS SELECT name FROM people;
