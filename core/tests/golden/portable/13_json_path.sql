select d #> '{a}' from e;
select 2;
