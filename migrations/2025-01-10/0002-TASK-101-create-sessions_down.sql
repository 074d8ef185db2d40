-- Everybody must log in again.
DROP TABLE sessions;
