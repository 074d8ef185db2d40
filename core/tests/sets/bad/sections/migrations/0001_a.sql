-- the first
-- +goose Up
create table a (id int);
-- +goose Down
drop table a;
