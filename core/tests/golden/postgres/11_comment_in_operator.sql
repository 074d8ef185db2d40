SELECT 5--3;
+1;
SELECT 6/*;*/-1;
