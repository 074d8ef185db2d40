CREATE TABLE `a;b` (c int);
