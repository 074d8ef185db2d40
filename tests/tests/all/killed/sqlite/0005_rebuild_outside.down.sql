UPDATE counts SET n = n + 1 WHERE id = 5;
ALTER TABLE letters DROP COLUMN text;
