-- PostgreSQL, once for each database, as its owner or a superuser, connected to it. What migrations make belongs to
-- `shop_migrate`; `shop_serve` may use it, and read the history, by which a start sees that all is applied.
CREATE ROLE shop_migrate LOGIN PASSWORD 'CHANGE-ME';
CREATE ROLE shop_serve LOGIN PASSWORD 'CHANGE-ME';

GRANT USAGE, CREATE ON SCHEMA public TO shop_migrate;
GRANT USAGE ON SCHEMA public TO shop_serve;

-- All that it will make, the history among it.
ALTER DEFAULT PRIVILEGES FOR ROLE shop_migrate IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop_serve;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_migrate IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO shop_serve;
