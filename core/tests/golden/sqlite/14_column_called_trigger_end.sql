CREATE TABLE t (trigger_end TEXT, begin_at TEXT);
CREATE VIEW end_view AS SELECT 1;
