-- whimbrel:no-transaction
INSERT INTO ran VALUES ('visits go');
DROP INDEX CONCURRENTLY visits_person;
DROP INDEX CONCURRENTLY IF EXISTS visits_at;
DROP PROCEDURE forget();
DROP FUNCTION visit(INTEGER);
UPDATE counts SET n = n + 1 WHERE id = 2;
DROP TABLE visits;
VACUUM counts;
INSERT INTO ran VALUES ('visits are gone');
