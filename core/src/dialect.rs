//! The databases' languages.

use std::fmt;

/// The lexical and DDL rules of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// Cassandra and ScyllaDB.
    Cql,
}

impl Dialect {
    /// All dialects, in the order in which they are reported.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::Mysql, Self::Cql];

    /// The dialects under which a portable `.sql` file is read.
    pub const SQL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The names by which file suffixes, `whimbrel.toml` and the macro call it; the first is the canonical one.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["sqlite", "sqlite3"],
            Self::Postgres => &["postgres", "postgresql"],
            Self::Mysql => &["mysql", "mariadb"],
            Self::Cql => &["cql"],
        }
    }

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Finds the dialect of a name, in any case.
    ///
    /// ```
    /// use whimbrel_core::Dialect;
    /// assert_eq!(Dialect::from_name("PostgreSQL"), Some(Dialect::Postgres));
    /// assert_eq!(Dialect::from_name("oracle"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.names().iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// One bit for each dialect, as statement tables pack it.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
