-- whimbrel:no-transaction
INSERT INTO ran VALUES ('before');
BEGIN;
CREATE SEQUENCE tickets;
INSERT INTO ran VALUES ('inside');
UPDATE counts SET n = n + 1 WHERE id = 3;
COMMIT;
INSERT INTO ran VALUES ('behind');
