create table a (id integer primary key);
\i other.sql
