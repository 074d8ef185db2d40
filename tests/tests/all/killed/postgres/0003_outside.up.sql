-- whimbrel:no-transaction
CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER, at TEXT);
INSERT INTO ran VALUES ('visits');
INSERT INTO visits SELECT i, i % 2 + 1, 'now' FROM generate_series(1, 100) AS i;
UPDATE counts SET n = n + 1 WHERE id = 2;
CREATE FUNCTION visit(number INTEGER) RETURNS INTEGER LANGUAGE sql AS $$ SELECT person FROM visits WHERE id = number; $$;
CREATE PROCEDURE forget() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM visits; COMMIT; END $$;
VACUUM visits;
CREATE INDEX CONCURRENTLY visits_person ON visits (person);
CREATE UNIQUE INDEX CONCURRENTLY visits_at ON visits (at, id);
ALTER TABLE visits ALTER COLUMN at SET NOT NULL;
INSERT INTO ran VALUES ('visits are there');
