-- whimbrel:no-transaction
INSERT INTO ran VALUES ('visits go');
DROP INDEX visits_person;
BEGIN;
UPDATE counts SET n = n + 1 WHERE id = 3;
DROP TABLE visits;
COMMIT;
PRAGMA user_version = 2;
VACUUM;
INSERT INTO ran VALUES ('visits are gone');
