select 1;
create table a (
  b int, --the first; of two
  c int
);
