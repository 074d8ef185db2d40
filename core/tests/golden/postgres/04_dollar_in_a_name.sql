SELECT a$b$ FROM c$b$; SELECT $1;
SELECT 1$$x;y$$;
