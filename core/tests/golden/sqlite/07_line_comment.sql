SELECT 1 -- not here; nor 'here
, 2;
SELECT 3;
