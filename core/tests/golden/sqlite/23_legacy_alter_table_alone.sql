PRAGMA legacy_alter_table=ON;
ALTER TABLE a RENAME TO b;
