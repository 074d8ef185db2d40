//! A database for one test.

use std::fmt;
use std::path::PathBuf;

use whimbrel_core::Dialect;

use crate::database;
use crate::driver::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::scratch::{Made, leads_to, name};

/// A database, or a keyspace, of random name; dropped with this, also when a test panics or its future is dropped.
///
/// Any number of tests, and of processes, may have one at the same time. One whose process was killed stays; its name
/// begins with `whimbrel_scratch_`.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> whimbrel::Result<()> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// let database = testing::Scratch::create("sqlite:").await?;
/// let report = Migrator::connect(&MIGRATIONS, database.url())?.up().await?;
/// assert_eq!(report.applied(), MIGRATIONS.len());
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[must_use = "the database is dropped with it"]
pub struct Scratch {
    url: String,
    /// Ends it when it is dropped.
    made: Made,
}

impl Scratch {
    /// Creates one on the server of a URL, whose user may create databases; the URL's own database is only connected to.
    /// For `sqlite:` it is a file in the system's folder for temporary files.
    ///
    /// # Errors
    /// The server cannot be reached, or does not let us ([`ErrorKind::Refused`]); the URL is not echoed.
    pub async fn create(url: &str) -> Result<Self> {
        let boxed: Answer<'_, Result<Self>> = Box::pin(create(url));
        boxed.await
    }

    /// Where it is; with the password of the URL that it was made from.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.made.end_here();
    }
}

/// A URL may hold a password.
impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({})", self.made.name)
    }
}

async fn create(url: &str) -> Result<Scratch> {
    let mut driver = database::open(url)?;
    if driver.dialect() == Dialect::Sqlite {
        return file();
    }
    let scratch = driver.scratch().await;
    driver.release().await;
    let refused = |why| Error::new(ErrorKind::Refused, format!("there is no scratch database: {why}"));
    let Some(mut scratch) = scratch.map_err(refused)? else { return file() };
    scratch.driver.release().await;
    let Some(made) = scratch.made else { return file() };
    let name = made.name.rsplit(' ').next().unwrap_or_default().to_owned();
    let url = with_database(url, &name);
    // What a test does with this URL must not meet the database of the other one, whatever reads them.
    let found = match database::open(&url) {
        Ok(mut driver) => {
            let found = leads_to(&mut *driver, &name).await;
            driver.release().await;
            found
        }
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(()) => Ok(Scratch { url, made }),
        Err(why) => {
            let stays = made.end().await.map(|stays| format!("; {stays}"));
            Err(refused(why + &stays.unwrap_or_default()))
        }
    }
}

/// A file in a folder of its own, since SQLite has others beside it.
fn file() -> Result<Scratch> {
    let folder: PathBuf = std::env::temp_dir().join(name::random());
    let failed = |error| {
        Error::new(ErrorKind::Refused, "the folder for a scratch database cannot be made")
            .source(error)
            .help("look at the system's folder for temporary files, or name another one in `TMPDIR`")
    };
    std::fs::create_dir(&folder).map_err(failed)?;
    let url = format!("sqlite://{}?mode=rwc", folder.join("test.db").display());
    let made = Made::new(format!("the folder {}", folder.display()), move || {
        let removed = std::fs::remove_dir_all(folder);
        let told = removed.map_err(|error| Error::new(ErrorKind::Refused, "it could not be removed").source(error));
        Box::pin(std::future::ready(told))
    });
    Ok(Scratch { url, made })
}

/// The URL with another database in it. In sqlx's URLs of PostgreSQL a `dbname` in the query wins over the path; those
/// of the others name it in the path alone.
fn with_database(url: &str, name: &str) -> String {
    let (head, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = head.split_once("://").unwrap_or((head, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("dbname=")).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}/{name}{mark}{}", kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced_and_nothing_else() {
        for (url, expected) in [
            ("postgres://app:secret@db:5432/shop?sslmode=require", "postgres://app:secret@db:5432/x?sslmode=require"),
            ("mysql://root@localhost", "mysql://root@localhost/x"),
            ("scylla://one:9042,two:9042/shop", "scylla://one:9042,two:9042/x"),
            ("postgres://db/", "postgres://db/x"),
            ("postgres://db/shop?dbname=shop", "postgres://db/x"),
            ("postgres://db?sslmode=require&dbname=shop&user=a", "postgres://db/x?sslmode=require&user=a"),
        ] {
            assert_eq!(with_database(url, "x"), expected);
        }
    }
}
