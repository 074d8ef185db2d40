INSERT INTO a VALUES ('it\'s; \\', "a \"; b", 'C:\\');
SELECT 1;
