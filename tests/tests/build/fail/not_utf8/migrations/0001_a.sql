create table a (é integer);
