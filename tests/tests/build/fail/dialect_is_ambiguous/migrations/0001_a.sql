create function first() returns integer language sql as $$ select 1; select 2 $$;
