create table t2 (id integer primary key);
