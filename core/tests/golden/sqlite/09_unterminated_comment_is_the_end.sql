SELECT 1;
/* SQLite takes this to the end; of the input
