//! All integration tests, in one binary.

mod agreement;
mod databases;
mod demonstration;
mod proxy;
mod stories;
