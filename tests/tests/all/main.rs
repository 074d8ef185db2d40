//! All integration tests, in one binary.

mod agreement;
mod cases;
mod databases;
mod demonstration;
mod postgres_cases;
mod proxy;
mod sqlite_cases;
mod starters;
mod stories;
