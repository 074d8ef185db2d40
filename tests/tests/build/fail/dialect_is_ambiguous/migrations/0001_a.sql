insert into a values ('\');
insert into a values ('b');
