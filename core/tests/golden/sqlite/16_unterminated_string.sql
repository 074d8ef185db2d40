SELECT 1;
insert into a values ('x);
