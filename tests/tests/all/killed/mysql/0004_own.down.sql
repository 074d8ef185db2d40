DROP VIEW names;
START TRANSACTION;
INSERT INTO ran VALUES ('taken back');
UPDATE counts SET n = n + 1 WHERE id = 3;
COMMIT;
INSERT INTO ran VALUES ('all of it');
