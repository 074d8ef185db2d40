PRAGMA foreign_keys = OFF;
DROP TABLE a;
PRAGMA foreign_keys = ON;
