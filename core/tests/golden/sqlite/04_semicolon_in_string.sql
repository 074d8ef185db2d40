INSERT INTO a VALUES ('x;y', 'O''Hara; again');
SELECT 1;
