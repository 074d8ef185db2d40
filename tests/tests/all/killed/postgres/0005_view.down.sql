DROP VIEW names;
INSERT INTO ran VALUES ('view taken back');
UPDATE counts SET n = n + 1 WHERE id = 4;
