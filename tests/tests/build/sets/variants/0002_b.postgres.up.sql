-- whimbrel:timeout 30s
create table b (id bigserial primary key);
create index b_id on b (id);
