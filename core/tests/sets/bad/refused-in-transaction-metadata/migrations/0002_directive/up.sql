-- whimbrel:no-transaction
create table c (d int);
