//! All integration tests, in one binary.

mod databases;
mod proxy;
