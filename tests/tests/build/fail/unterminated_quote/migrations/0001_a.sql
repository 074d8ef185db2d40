create table a (id integer primary key);
insert into a values ('x);
