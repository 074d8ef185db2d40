CREATE FUNCTION begin(begin int) RETURNS int LANGUAGE sql AS 'select 1';
SELECT 1;
