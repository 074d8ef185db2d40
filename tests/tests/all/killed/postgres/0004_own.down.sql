-- whimbrel:no-transaction
BEGIN;
INSERT INTO ran VALUES ('taken back');
DROP SEQUENCE tickets;
COMMIT;
UPDATE counts SET n = n + 1 WHERE id = 3;
