-- whimbrel:no-transacton
create table a (id integer primary key);
