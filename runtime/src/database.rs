//! What a [`Migrator`](crate::Migrator) can work on.

use crate::error::{Error, ErrorKind, Result};

/// A database that can be migrated: `&SqlitePool`, `&PgPool`, `&MySqlPool`, or a `&mut` connection outside a transaction;
/// `&Session` of the crate scylla, or `&Arc<Session>`.
///
/// The trait is sealed: drivers are in this crate, each behind the feature of its name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database that whimbrel can migrate",
    label = "pass `&pool` or `&mut connection`",
    note = "a pool by value needs a `&`; a transaction cannot be migrated, since it could not be committed",
    note = "the database's feature must be on: `whimbrel = {{ features = [\"postgres\"] }}`",
    note = "two versions of sqlx in one build also look like this: use `whimbrel::sqlx`"
)]
pub trait Database<'db>: sealed::IntoDriver<'db> {}

pub(crate) mod sealed {
    use crate::driver::Driver;
    use crate::error::Result;

    /// A driver that is ready to be used.
    #[allow(missing_debug_implementations)]
    pub struct Ready<'db>(pub(crate) Box<dyn Driver + 'db>);

    pub trait IntoDriver<'db> {
        #[doc(hidden)]
        fn into_driver(self) -> Result<Ready<'db>>;
    }
}

/// A way to open a database from its URL.
struct Scheme {
    names: &'static [&'static str],
    open: fn(&str) -> Result<Box<dyn crate::driver::Driver>>,
}

const SCHEMES: &[Scheme] = &[
    #[cfg(feature = "_sqlite")]
    Scheme { names: &["sqlite"], open: crate::driver::sqlite::from_url },
    #[cfg(feature = "mysql")]
    Scheme { names: &["mysql", "mariadb"], open: crate::driver::mysql::from_url },
    #[cfg(feature = "postgres")]
    Scheme { names: &["postgres", "postgresql"], open: crate::driver::postgres::from_url },
    #[cfg(feature = "scylla")]
    Scheme { names: &["scylla", "cassandra"], open: crate::driver::scylla::from_url },
];

/// The driver for a URL, which is never echoed: it may hold a password.
pub(crate) fn open(url: &str) -> Result<Box<dyn crate::driver::Driver>> {
    let scheme = url.split(':').next().unwrap_or_default();
    let found = SCHEMES.iter().find(|known| known.names.contains(&scheme));
    match found {
        Some(found) => (found.open)(url),
        None => {
            let known: Vec<&str> = SCHEMES.iter().flat_map(|scheme| scheme.names).copied().collect();
            let known = known.join(", ");
            let (message, help) = if url.contains(':') {
                (
                    format!("no driver for URLs that begin with `{scheme}:`"),
                    format!(
                        "this build knows {known}; of whimbrel's features, `sqlite`, `postgres`, `mysql` and `scylla` are databases"
                    ),
                )
            } else {
                (
                    "the database URL does not begin with a scheme".to_owned(),
                    format!("begin it with one that this build knows, such as `sqlite://shop.db`: {known}"),
                )
            };
            Err(Error::new(ErrorKind::Refused, message).help(help))
        }
    }
}
