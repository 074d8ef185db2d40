BEGIN;
CREATE VIEW names AS SELECT name FROM people;
INSERT INTO ran VALUES ('view');
UPDATE counts SET n = n + 1 WHERE id = 4;
COMMIT;
