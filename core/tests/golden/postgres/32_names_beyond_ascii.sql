CREATE TABLE "été;" (prénom text);
SELECT 'ß' AS größe;
