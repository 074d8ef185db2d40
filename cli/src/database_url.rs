//! Where the database is; a password in it is shown to nobody.

use std::env;
use std::fmt;
use std::path::Path;

use url::Url;
use whimbrel::Dialect;

use crate::exit::Exit;
use crate::failure::Failure;

/// The URL of a database. It prints without its password and its parameters.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

/// The variable that other tools read as well.
const VARIABLE: &str = "DATABASE_URL";

impl DatabaseUrl {
    /// As the user wrote it on the command line, or the program has it, or the environment, or `.env`.
    ///
    /// # Errors
    /// There is none, or `.env` cannot be read.
    pub(crate) fn find(written: Option<&Self>, program: Option<&Self>) -> Result<Self, Failure> {
        if let Some(url) = written.or(program) {
            return Ok(url.clone());
        }
        if let Some(url) = env::var(VARIABLE).ok().filter(|url| !url.trim().is_empty()) {
            return Ok(Self::from(url));
        }
        from_file(Path::new(".env"))?.ok_or_else(|| {
            Failure::new(Exit::Usage, "no database is named")
                .help("write `--database-url URL`, or set `DATABASE_URL`, also in a file `.env` in this directory")
        })
    }

    /// The same without nodes of a cluster that never come back; other databases have none.
    pub(crate) fn without(self, nodes: &[String]) -> Self {
        if nodes.is_empty() || self.dialect() != Some(Dialect::Cql) {
            return self;
        }
        let joint = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{joint}decommissioned={}", self.0, nodes.join(",")))
    }

    /// For a driver; not for a message.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What its scripts are written in, as far as the scheme tells.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        match self.scheme() {
            "scylla" | "cassandra" => Some(Dialect::Cql),
            scheme => Dialect::from_name(scheme),
        }
    }

    pub(crate) fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

fn from_file(path: &Path) -> Result<Option<DatabaseUrl>, Failure> {
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(None),
        // Its text may hold secrets, so that what it says of itself is not repeated.
        Err(_) => return Err(unreadable(path)),
    };
    for line in lines {
        let (name, value) = line.map_err(|_| unreadable(path))?;
        if name == VARIABLE && !value.trim().is_empty() {
            return Ok(Some(DatabaseUrl::from(value)));
        }
    }
    Ok(None)
}

fn unreadable(path: &Path) -> Failure {
    Failure::new(Exit::Usage, format!("`{}` cannot be read", path.display()))
        .help("write a line `NAME=value` for each variable, quoted where the value has blanks")
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url.trim().to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(['?', '#']).next().unwrap_or_default();
        if self.scheme() == "sqlite" {
            return f.write_str(text);
        }
        let shown = Url::parse(&self.0).ok().and_then(|mut url| {
            // A password with a `/`, `?` or `#` in it ends the authority early: what follows would be a part of it.
            let behind = &self.0[self.0.find("://")? + 3..];
            let is_whole = behind.matches('@').count() <= 1 && !url.path().contains('@');
            let is_cut = url.query().is_some_and(|it| it.contains('@')) || url.fragment().is_some();
            url.set_password(None).ok()?;
            url.set_query(None);
            (is_whole && !is_cut).then(|| url.to_string())
        });
        f.write_str(shown.as_deref().unwrap_or_else(|| self.scheme()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text without what could be a password: between `://` and the last `@` of a word.
///
/// For messages that repeat what a user typed, of which a URL in the wrong place may be a part.
///
/// ```
/// let said = "unrecognized subcommand 'postgres://app:hunter2@db/shop'";
/// assert_eq!(whimbrel_cli::redacted(said), "unrecognized subcommand 'postgres://…@db/shop'");
/// ```
pub fn redacted(text: &str) -> String {
    let word = |word: &str| match (word.find("://"), word.rfind('@')) {
        (Some(begin), Some(end)) if begin < end => format!("{}…{}", &word[..begin + 3], &word[end..]),
        _ => word.to_owned(),
    };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_gone_stand_in_the_url_of_a_cluster() {
        let without = |url: &str| DatabaseUrl::from(url.to_owned()).without(&["a".to_owned(), "b".to_owned()]).0;
        assert_eq!(without("scylla://h/k"), "scylla://h/k?decommissioned=a,b");
        assert_eq!(without("cassandra://h/k?tls=on"), "cassandra://h/k?tls=on&decommissioned=a,b");
        assert_eq!(without("sqlite://k.db"), "sqlite://k.db");
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://app:hunter2@db.internal/shop", "postgres://app@db.internal/shop"),
            (
                "postgres://app@db.internal:5433/shop?sslmode=require&password=hunter2",
                "postgres://app@db.internal:5433/shop",
            ),
            ("mysql://root:@127.0.0.1:3306/", "mysql://root@127.0.0.1:3306/"),
            ("postgres://app:hunter2@a,b/shop", "postgres://app@a,b/shop"),
            ("postgres://app:12/34@host/shop", "postgres"),
            ("postgres://app:1?hunter2@host/shop", "postgres"),
            ("postgres://app:1#hunter2@host/shop", "postgres"),
            ("postgres://app:p@ss@host/shop", "postgres"),
            ("scylla://app:hunter2@a:9042,b:9042/shop", "scylla"),
            ("scylla://127.0.0.1:9042/shop?replication=3", "scylla://127.0.0.1:9042/shop"),
            ("sqlite://shop.db?mode=rwc", "sqlite://shop.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("nonsense", "nonsense"),
        ] {
            let url = DatabaseUrl::from(url.to_owned());
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }
}
