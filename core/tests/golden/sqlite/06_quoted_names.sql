CREATE TABLE "a;b" (`c;d` TEXT, [e;f] TEXT, "g""h;i" TEXT);
SELECT 1;
