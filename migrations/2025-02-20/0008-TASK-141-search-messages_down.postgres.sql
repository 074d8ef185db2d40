-- The index goes with its column.
ALTER TABLE messages DROP COLUMN words;
