VACUUM;
PRAGMA journal_mode = WAL;
PRAGMA main.synchronous(1);
PRAGMA wal_checkpoint(TRUNCATE);
DETACH x;
PRAGMA journal_mode;
PRAGMA user_version = 4;
ATTACH 'f.db' AS x;
