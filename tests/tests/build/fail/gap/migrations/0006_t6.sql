create table t6 (id integer primary key);
