CREATE TABLE `a;b` (`c``d;` int, `e\` int);
SELECT 1;
