--users
create table a (b int);
-------------------
--- more; there is
insert into a values (1); --one; two
select 1;
