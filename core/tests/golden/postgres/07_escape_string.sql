SELECT E'it\'s; \\';
SELECT 'C:\';
SELECT e'a'
  'b\'; c';
SELECT 4;
