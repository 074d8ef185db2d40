create table t3 (id integer primary key);
