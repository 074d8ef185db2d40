INSERT INTO a VALUES ("x;y", "it's; ""so""");
SELECT 1;
