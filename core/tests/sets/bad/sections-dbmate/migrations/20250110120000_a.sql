-- migrate:up transaction:false
create table a (id int);

-- migrate:down
drop table a;
