SELECT 5--3;
SELECT 1 -- no; end
+ 2;
SELECT 3 --
;
