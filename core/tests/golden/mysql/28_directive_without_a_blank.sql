--whimbrel:no-transaction
SELECT 1;
