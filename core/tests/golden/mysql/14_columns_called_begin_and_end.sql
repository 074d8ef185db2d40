CREATE PROCEDURE p()
BEGIN
  SELECT begin, end FROM spans;
  INSERT INTO spans (begin, end) VALUES (1, 2);
END;
SELECT begin, end FROM spans;
SELECT 1;
