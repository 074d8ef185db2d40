PRAGMA foreign_keys=OFF;
PRAGMA legacy_alter_table = ON;
CREATE TABLE new_a (b INTEGER);
INSERT INTO new_a SELECT b FROM a;
DROP TABLE a;
ALTER TABLE new_a RENAME TO a;
PRAGMA foreign_key_check;
PRAGMA foreign_keys=ON;
