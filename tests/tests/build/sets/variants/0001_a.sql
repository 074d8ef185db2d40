create table a (
  id integer primary key, -- ‮ "#\ 
  name text default '"#'
);
