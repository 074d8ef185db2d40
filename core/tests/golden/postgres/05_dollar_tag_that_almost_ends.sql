SELECT $ab$ x; $a $b$ $ab $abc$ $$ $a$ab$;
SELECT 2;
