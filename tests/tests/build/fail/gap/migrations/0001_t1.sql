create table t1 (id integer primary key);
