/* licence; of sorts */
--whimbrel:timeout 30s

--   whimbrel:phase contract
-- whimbrel:foreign-keys off
DROP TABLE a;
