-- whimbrel:no-transaction
CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER, at TEXT);
INSERT INTO ran VALUES ('visits');
INSERT INTO visits SELECT id, person, 'now' FROM letters;
UPDATE counts SET n = n + 1 WHERE id = 2;
VACUUM;
PRAGMA user_version = 3;
CREATE INDEX visits_person ON visits (person);
BEGIN;
INSERT INTO ran VALUES ('inside');
UPDATE counts SET n = n + 1 WHERE id = 3;
COMMIT;
ANALYZE;
INSERT INTO ran VALUES ('visits are there');
