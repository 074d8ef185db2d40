SELECT E'a' -- note
 'b\'; c';
SELECT E'a'
-- one
   -- two; it's
'b\'; c'
  'd\'; e';
SELECT E'a''b\'; c';
SELECT E'a' -- n'b\'; c';
SELECT E'a' 'b\'; SELECT E'a' /* 
 */ 'b\'; SELECT 'a'
'b\'; SELECT E'a' -- no
;
SELECT E'a'
