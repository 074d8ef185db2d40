//! All integration tests, in one binary.

mod agreement;
mod cancelled;
mod cases;
mod cluster;
mod coming_from;
mod cql_access;
mod cql_answers;
mod cql_cases;
mod cql_cluster;
mod databases;
mod demonstration;
mod directories;
mod killed;
mod locks;
mod mysql_cases;
mod mysql_scripts;
mod mysql_sessions;
mod pgbouncer;
mod postgres_cases;
mod postgres_server;
mod postgres_sessions;
mod proxy;
mod sqlite_cases;
mod stories;
