create table t5 (id integer primary key);
