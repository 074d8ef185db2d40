-- whimbrel:no-transaction
CREATE TABLE a (b int);
DELIMITER //
SELECT 1//
DELIMITER ;
