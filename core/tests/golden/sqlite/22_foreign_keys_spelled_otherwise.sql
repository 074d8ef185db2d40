pragma main.foreign_keys(no);
DROP TABLE a;
PRAGMA "foreign_keys" = 'yes';
