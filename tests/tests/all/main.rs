//! All integration tests, in one binary.

mod agreement;
mod cancelled;
mod cases;
mod databases;
mod demonstration;
mod directories;
mod mysql_cases;
mod pgbouncer;
mod postgres_cases;
mod postgres_server;
mod postgres_sessions;
mod proxy;
mod sqlite_cases;
mod stories;
