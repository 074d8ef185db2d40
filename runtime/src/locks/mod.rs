//! What a statement locks, and for how long: read from its words, by each database's manual.

mod mysql;
mod postgres;
mod sqlite;
pub(crate) mod words;

use std::fmt;

use whimbrel_core::Dialect;

use crate::plan::Step;

/// What a statement locks; it prints as a plan shows it: `ACCESS EXCLUSIVE on orders, brief`.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use whimbrel::*;
/// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
/// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// let plan = Migrator::new(&MIGRATIONS, &pool).plan(Target::Latest).await?;
/// for step in plan.steps() {
///     for (statement, locks) in step.statements().zip(step.locks(Dialect::Sqlite)) {
///         for lock in locks {
///             println!("{statement}: {lock}");
///         }
///     }
/// }
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Lock {
    /// As the database's manual names it: `ACCESS EXCLUSIVE`; of MySQL also how the change is made, `COPY`.
    pub mode: &'static str,
    /// The table, as the statement writes it; `None` where the statement does not name it, or the whole file is locked.
    pub table: Option<String>,
    /// How long the statement needs it; inside a transaction it is held to its end.
    pub how_long: HowLong,
    /// Who has to wait meanwhile.
    pub blocks: Blocks,
}

/// How long a statement needs a lock; at worst, where that depends on what is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HowLong {
    /// However large the table is: only the catalogue changes.
    Brief,
    /// As long as it takes to write the rows that the statement changes.
    Rows,
    /// As long as it takes to read all of the table.
    Scan,
    /// As long as it takes to write all of the table anew.
    Rewrite,
    /// Nobody can tell from the text.
    Unknown,
}

/// Who waits for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Blocks {
    /// Other changes of the schema only, or of the same rows.
    Changes,
    /// Whoever writes to the table.
    Writes,
    /// Whoever writes to the table, or reads it.
    Everything,
    /// Nobody can tell from the text.
    Unknown,
}

impl Lock {
    /// With the number of rows of its table, where that is known: `ACCESS EXCLUSIVE on orders (12.4 M rows), brief`.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// let text = "ALTER TABLE orders ADD COLUMN status TEXT";
    /// let set = Migrations::from_files([("0001_add_status.sql".to_owned(), text.as_bytes().to_vec())])?;
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let plan = Migrator::new(&set, &pool).plan(Target::Latest).await?;
    /// let locks = plan.steps()[0].locks(Dialect::Postgres);
    /// assert_eq!(locks[0][0].shown(Some(12_400_000)), "ACCESS EXCLUSIVE on orders (12.4 M rows), brief");
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    pub fn shown(&self, rows: Option<u64>) -> String {
        let mut text = self.mode.to_owned();
        if let Some(table) = &self.table {
            text.push_str(&format!(" on {table}"));
            if let Some(rows) = rows {
                text.push_str(&format!(" ({})", Rows(rows)));
            }
        }
        let how_long = match self.how_long {
            HowLong::Brief => "brief",
            HowLong::Rows => "while rows are written",
            HowLong::Scan => "while all of it is read",
            HowLong::Rewrite => "while all of it is rewritten",
            HowLong::Unknown => "how long is unknown",
        };
        format!("{text}, {how_long}")
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(None))
    }
}

/// A number of rows as people say it: `1 row`, `812 rows`, `12.4 M rows`.
pub(crate) struct Rows(pub(crate) u64);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")];
        let unit = UNITS.into_iter().find(|(from, _)| self.0 >= *from);
        match unit {
            None if self.0 == 1 => f.write_str("1 row"),
            None => write!(f, "{} rows", self.0),
            Some((_, "k")) => write!(f, "{} k rows", self.0 / 1000),
            Some((from, unit)) => write!(f, "{:.1} {unit} rows", self.0 as f64 / from as f64),
        }
    }
}

impl Step<'_> {
    /// What each of its [`statements`](Self::statements) locks; nothing that only this step knows, such as a table that it
    /// has created itself.
    pub fn locks(&self, dialect: Dialect) -> Vec<Vec<Lock>> {
        let mut own: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for text in self.statements() {
            let mut locks = locks(text, dialect);
            let is_own =
                |lock: &Lock| lock.table.as_deref().is_some_and(|table| own.iter().any(|it| words::same(it, table)));
            locks.retain(|lock| !is_own(lock));
            own.extend(words::created(text, dialect));
            all.push(locks);
        }
        all
    }
}

/// What a statement locks of what others use.
pub(crate) fn locks(statement: &str, dialect: Dialect) -> Vec<Lock> {
    let words = words::of(statement, dialect);
    match dialect {
        Dialect::Postgres => postgres::locks(&words),
        Dialect::Mysql => mysql::locks(&words),
        Dialect::Sqlite => sqlite::locks(&words),
        Dialect::Cql => agreement(&words),
        _ => Vec::new(),
    }
}

/// CQL locks nothing; after a change of the schema the next statement waits until all nodes have it.
fn agreement(words: &[&str]) -> Vec<Lock> {
    let changes = ["create", "alter", "drop"].iter().any(|verb| words::is(words.first(), verb));
    let lock = Lock { mode: "schema agreement", table: None, how_long: HowLong::Brief, blocks: Blocks::Changes };
    if changes { vec![lock] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_as_people_do() {
        let cases = [
            (0, "0 rows"),
            (1, "1 row"),
            (9_999, "9999 rows"),
            (48_211, "48 k rows"),
            (12_400_000, "12.4 M rows"),
            (3_000_000_000, "3.0 G rows"),
        ];
        for (rows, shown) in cases {
            assert_eq!(Rows(rows).to_string(), shown);
        }
    }

    #[test]
    fn cql_waits_for_agreement_after_a_change_of_the_schema() {
        let shown = |text| locks(text, Dialect::Cql).iter().map(Lock::to_string).collect::<Vec<_>>();
        assert_eq!(shown("CREATE TABLE a (id int PRIMARY KEY)"), ["schema agreement, brief"]);
        assert!(shown("INSERT INTO a (id) VALUES (1)").is_empty());
    }
}
