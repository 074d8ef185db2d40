.read other.sql
SELECT 1;
  .mode box it's
SELECT 2;
