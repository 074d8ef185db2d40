//! What the stories share: a database for each test, a proxy that counts, delays and cuts, and second opinions.

pub mod corpora;
pub mod log;
pub mod oracle;
pub mod postgres;
pub mod proxy;
pub mod sqlite;
pub mod starters;

pub use proxy::Proxy;
