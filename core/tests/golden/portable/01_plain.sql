CREATE TABLE a (b int);
INSERT INTO a VALUES ('it''s; so');
