//! All integration tests, in one binary.

mod agreement;
mod cases;
mod databases;
mod demonstration;
mod proxy;
mod starters;
mod sqlite_cases;
