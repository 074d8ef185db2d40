CREATE TABLE a (b int);
-- whimbrel:todo is done
