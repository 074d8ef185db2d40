create table a (b int);
create index concurrently i on a (b);
