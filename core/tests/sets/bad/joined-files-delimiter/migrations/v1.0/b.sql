create table category (b int);
