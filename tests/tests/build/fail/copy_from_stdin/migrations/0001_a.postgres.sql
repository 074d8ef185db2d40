create table a (id integer primary key);
copy a from stdin;
1
\.
