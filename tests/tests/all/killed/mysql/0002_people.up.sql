CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL) ENGINE = InnoDB;
CREATE UNIQUE INDEX people_name ON people (name);
INSERT INTO people VALUES (1, 'Ada'), (2, 'Grace');
ALTER TABLE people ADD COLUMN mood VARCHAR(20) NOT NULL DEFAULT 'calm';
INSERT INTO ran VALUES ('people');
UPDATE counts SET n = n + 1 WHERE id = 1;
