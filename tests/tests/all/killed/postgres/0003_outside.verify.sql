SELECT 1 WHERE visit(1) = 2;
SELECT 1 FROM visits HAVING count(*) = 100;
