SELECT 1 WHERE (SELECT count(*) FROM visits) = 200;
