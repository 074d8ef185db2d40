//! What the stories share: a database for each test, and a proxy that counts, delays and cuts.

pub mod postgres;
pub mod proxy;
pub mod sqlite;

pub use proxy::Proxy;
