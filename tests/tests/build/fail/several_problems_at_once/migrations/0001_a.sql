insert into a values ('x);
