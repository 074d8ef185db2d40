DROP TRIGGER visited;
DROP FUNCTION visitor;
DROP PROCEDURE visit;
INSERT INTO ran VALUES ('routines are gone');
DROP TABLE visits;
