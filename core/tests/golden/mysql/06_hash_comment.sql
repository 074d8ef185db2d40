SELECT 1 # not; 'here
+ 2;
SELECT 3;
