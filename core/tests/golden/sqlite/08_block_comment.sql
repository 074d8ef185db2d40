SELECT 1 /* not ; here, ' nor /* nested */, 2;
SELECT 3;
