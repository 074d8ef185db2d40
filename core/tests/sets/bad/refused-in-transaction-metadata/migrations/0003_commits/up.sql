insert into a values (1);
begin;
insert into a values (2);
commit;
