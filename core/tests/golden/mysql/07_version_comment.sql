/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE a (b int) /*!50100 PARTITION BY HASH (b) */;
/*M!100100 SELECT 1; */;
SELECT 2 /*! + 1 /* plain */ + '*/' */;
