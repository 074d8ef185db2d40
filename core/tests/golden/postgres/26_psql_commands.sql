\set ON_ERROR_STOP on
SELECT 1;
\i it's.sql
SELECT 2 \gx
