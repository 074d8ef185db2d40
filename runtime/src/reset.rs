//! Back to an empty database, in development: what the history knows is dropped, and the history.

use std::fmt;
use std::path::PathBuf;

use whimbrel_core::read::read_stored;
use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Direction};

use crate::backoff::Backoff;
use crate::doubt::fit;
use crate::doubt::mysql::plain;
use crate::driver::{Answer, Detail, Stop};
use crate::engine::read;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Entry, History, State};
use crate::migrator::{Migrator, bounded, opened};
use crate::rewrite;

/// Whether somebody has said that a database is to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ResetConfirmation {
    /// Nobody has: only what is plainly a database of development is reset, on this machine and not called production.
    #[default]
    None,
    /// Somebody has, and named it: it is reset wherever it is, if that is its name.
    NameOfDatabase(String),
}

/// What a reset has done; printing it shows that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Reset {
    /// The statements that were run, or the files that were removed.
    pub dropped: Vec<String>,
    /// What is left over, and why.
    pub left: Vec<String>,
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.dropped[..], &self.left[..]) {
            ([], []) => return f.write_str("there is no history: nothing was dropped"),
            (_, []) => f.write_str("reset")?,
            _ => f.write_str("reset, but for what is left over")?,
        }
        self.dropped.iter().try_for_each(|dropped| write!(f, "\n  {dropped}"))?;
        self.left.iter().try_for_each(|left| write!(f, "\n  left: {left}"))
    }
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) database: String,
    /// `None` on this machine.
    pub(crate) far: Option<String>,
    /// The file that it is, where it may be removed.
    pub(crate) file: Option<PathBuf>,
}

impl Migrator<'_> {
    /// Drops what the migrations of the history have created, and the history: for development alone.
    ///
    /// What is dropped is named in the stored up scripts, last one first: tables, views, routines, types, sequences,
    /// triggers and schemas, with all that hangs on them. Of a SQLite database that was opened by its URL the file is
    /// removed; under a pool or a connection of the caller's, which would go on with the removed file, its objects are
    /// dropped. Where there is no history, nothing is.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// for statement in migrator.plan_reset().await? {
    ///     println!("would run {statement}");
    /// }
    /// let reset = migrator.reset(ResetConfirmation::None).await?;
    /// assert!(reset.left.is_empty(), "{reset}");
    /// assert_eq!(migrator.up().await?.steps().len(), MIGRATIONS.len());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Refused`]: the server is not this machine, or the database is called production, and nobody has
    /// confirmed it; or what they confirmed is another one. [`ErrorKind::Locked`]: somebody is at work.
    pub async fn reset(&mut self, confirmation: ResetConfirmation) -> Result<Reset> {
        self.boxed_reset(confirmation).await
    }

    /// What [`reset`](Self::reset) would run, in order; reads only, and refuses nothing.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn plan_reset(&mut self) -> Result<Vec<String>> {
        self.boxed_plan_reset().await
    }

    fn boxed_reset(&mut self, confirmation: ResetConfirmation) -> Answer<'_, Result<Reset>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let all = async {
                let place = driver.whereabouts().await?;
                check(&place, &confirmation)?;
                let mut backoff = Backoff::new(settings.lock_timeout);
                let history = read(&mut **driver, Detail::Scripts, &mut backoff).await?;
                if !history.present {
                    return Ok(Reset::default());
                }
                rewrite::check_free(&history)?;
                let undoing = undoing(dialect, &history);
                tracing::warn!(database = place.database, "dropping all that the history knows");
                let wipe = Wipe { place: &place, drops: &undoing.drops, history: &history, identity };
                match driver.wipe(wipe).await {
                    Ok(mut reset) => {
                        // A file takes all with it.
                        if place.file.is_none() {
                            reset.left.extend(undoing.left);
                        }
                        Ok(reset)
                    }
                    Err(Stop::Broken(error)) => Err(error),
                    Err(_) => Err(rewrite::at_work("at work, or was faster")),
                }
            };
            let reset = bounded((settings.timeout, dialect), all).await;
            driver.release().await;
            reset
        })
    }

    fn boxed_plan_reset(&mut self) -> Answer<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let settings = &self.settings;
            let driver = opened(&mut self.driver, self.migrations)?;
            let dialect = driver.dialect();
            let all = async {
                let place = driver.whereabouts().await?;
                let history = read(&mut **driver, Detail::Scripts, &mut Backoff::new(settings.lock_timeout)).await?;
                Ok(match (history.present, &place.file) {
                    (false, _) => Vec::new(),
                    (true, Some(file)) => vec![remove(file)],
                    (true, None) => {
                        let mut drops = undoing(dialect, &history).drops;
                        drops.push(format!("DROP TABLE {}", driver.history_table()));
                        drops
                    }
                })
            };
            let planned = bounded((settings.timeout, dialect), all).await;
            driver.release().await;
            planned
        })
    }
}

/// The sentence of a file that is removed.
pub(crate) fn remove(file: &std::path::Path) -> String {
    format!("remove {}, with its -wal and -shm", file.display())
}

/// What a driver wipes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wipe<'w> {
    pub(crate) place: &'w Whereabouts,
    /// In order; each by itself.
    pub(crate) drops: &'w [String],
    pub(crate) history: &'w History,
    pub(crate) identity: &'w crate::identity::Identity,
}

/// Whether a database may be destroyed.
fn check(place: &Whereabouts, confirmation: &ResetConfirmation) -> Result<()> {
    let name = &place.database;
    if let ResetConfirmation::NameOfDatabase(said) = confirmation {
        if said == name {
            return Ok(());
        }
        let message = format!("the database is called `{name}`, not `{said}`; nothing was dropped");
        return Err(Error::new(ErrorKind::Refused, message).help("name the database that is to be destroyed"));
    }
    let why = match &place.far {
        Some(host) => format!("`{name}` is on {host}, which is not this machine"),
        None if looks_like_production(name) => format!("`{name}` is called like a database of production"),
        None => return Ok(()),
    };
    let help = format!(
        "reset what is for development only; to destroy this one all the same: \
         `migrate reset --i-know-this-destroys-data {name}`"
    );
    Err(Error::new(ErrorKind::Refused, format!("{why}; nothing was dropped")).help(help))
}

fn looks_like_production(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_word = |word: &str| matches!(word, "live" | "prd" | "master" | "main");
    name.contains("prod") || name.split(|c: char| !c.is_ascii_alphanumeric()).any(is_word)
}

/// What takes back what the stored scripts have made.
#[derive(Debug, Default)]
struct Undoing {
    drops: Vec<String>,
    left: Vec<String>,
}

/// A shape of a statement that makes something, and what drops the name that stands last in it.
type Makes = (&'static str, &'static str);

const RENAMES: Makes = ("alter table ?if ?exists ?only * rename ?to|as *", "DROP TABLE IF EXISTS {}");

const POSTGRES: &[Makes] = &[
    ("create ?unlogged table ?if ?not ?exists *", "DROP TABLE IF EXISTS {} CASCADE"),
    ("create foreign table ?if ?not ?exists *", "DROP FOREIGN TABLE IF EXISTS {} CASCADE"),
    ("alter table ?if ?exists ?only * rename to *", "DROP TABLE IF EXISTS {} CASCADE"),
    ("create ?or ?replace ?recursive view *", "DROP VIEW IF EXISTS {} CASCADE"),
    ("alter view ?if ?exists * rename to *", "DROP VIEW IF EXISTS {} CASCADE"),
    ("create materialized view ?if ?not ?exists *", "DROP MATERIALIZED VIEW IF EXISTS {} CASCADE"),
    ("create ?or ?replace function|procedure|aggregate *", "DROP ROUTINE IF EXISTS {} CASCADE"),
    ("create type *", "DROP TYPE IF EXISTS {} CASCADE"),
    ("alter type * rename to *", "DROP TYPE IF EXISTS {} CASCADE"),
    ("create domain *", "DROP DOMAIN IF EXISTS {} CASCADE"),
    ("create sequence ?if ?not ?exists *", "DROP SEQUENCE IF EXISTS {} CASCADE"),
    ("alter sequence ?if ?exists * rename to *", "DROP SEQUENCE IF EXISTS {} CASCADE"),
    ("create schema ?if ?not ?exists *", "DROP SCHEMA IF EXISTS {} CASCADE"),
];

const MYSQL: &[Makes] = &[
    ("create ?or ?replace table ?if ?not ?exists *", "DROP TABLE IF EXISTS {}"),
    RENAMES,
    ("rename table ?if ?exists * to *", "DROP TABLE IF EXISTS {}"),
    ("create ?or ?replace view ?if ?not ?exists *", "DROP VIEW IF EXISTS {}"),
    ("create ?or ?replace function ?if ?not ?exists *", "DROP FUNCTION IF EXISTS {}"),
    ("create ?or ?replace procedure ?if ?not ?exists *", "DROP PROCEDURE IF EXISTS {}"),
    ("create ?or ?replace event ?if ?not ?exists *", "DROP EVENT IF EXISTS {}"),
    ("create ?or ?replace sequence ?if ?not ?exists *", "DROP SEQUENCE IF EXISTS {}"),
];

const SQLITE: &[Makes] = &[
    ("create ?virtual table ?if ?not ?exists *", "DROP TABLE IF EXISTS {}"),
    RENAMES,
    ("create view ?if ?not ?exists *", "DROP VIEW IF EXISTS {}"),
];

const CQL: &[Makes] = &[
    ("create table|columnfamily ?if ?not ?exists *", "DROP TABLE IF EXISTS {}"),
    ("create materialized view ?if ?not ?exists *", "DROP MATERIALIZED VIEW IF EXISTS {}"),
    ("create type ?if ?not ?exists *", "DROP TYPE IF EXISTS {}"),
    ("create ?or ?replace function ?if ?not ?exists *", "DROP FUNCTION IF EXISTS {}"),
    ("create ?or ?replace aggregate ?if ?not ?exists *", "DROP AGGREGATE IF EXISTS {}"),
];

/// What goes with its table, or with its session.
const GOES_ALONG: &[&str] = &[
    "create ?or ?replace ?constraint trigger",
    "create ?or ?replace ?unique|fulltext|spatial|custom index",
    "create ?or ?replace ?global|local temp|temporary",
    "create policy|rule|statistics",
    "create ?or ?replace rule",
];

fn undoing(dialect: Dialect, history: &History) -> Undoing {
    let makes = match dialect {
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
        Dialect::Cql => CQL,
        _ => SQLITE,
    };
    let mut undoing = Undoing::default();
    let applied = history.entries.iter().filter(|entry| entry.state != State::RolledBack);
    for entry in applied {
        let stored = entry.up.clone().map(|text| read_stored(Direction::Up, dialect, &entry.path, text));
        let Some(Ok(script)) = stored else {
            undoing.left.push(format!("what {} made: its script is not stored, or cannot be read", entry.label()));
            continue;
        };
        for statement in script.statements() {
            let all = words(script.text_of(&statement), dialect);
            let all = if dialect == Dialect::Mysql { plain(all) } else { all };
            undoing.take_back(&all, makes, entry);
        }
    }
    // What was made last goes first; what was made twice, once.
    undoing.drops.reverse();
    let mut seen = std::collections::HashSet::new();
    undoing.drops.retain(|drop| seen.insert(drop.clone()));
    undoing
}

impl Undoing {
    fn take_back(&mut self, words: &[&str], makes: &[Makes], entry: &Entry) {
        let found = makes.iter().find_map(|(shape, drop)| Some((fit(words, shape)?.0, *drop)));
        if let Some((names, drop)) = found {
            let name = named(&names);
            // The schema that everything else may live in is nobody's migration's.
            if !(drop.contains("SCHEMA") && name.trim_matches('"') == "public") {
                self.drops.push(drop.replace("{}", &name));
            }
            return;
        }
        let is_create = words.first().is_some_and(|word| word.eq_ignore_ascii_case("create"));
        if is_create && !GOES_ALONG.iter().any(|shape| fit(words, shape).is_some()) {
            let what = words.iter().take(5).copied().collect::<Vec<_>>().join(" ");
            self.left.push(format!("`{what} …` of {}: it is not taken back", entry.label()));
        }
    }
}

/// The last name; a new one is in the schema of the old one.
fn named(names: &[String]) -> String {
    match names {
        [old, new] if !new.contains('.') => match old.rsplit_once('.') {
            Some((schema, _)) => format!("{schema}.{new}"),
            None => new.clone(),
        },
        _ => names.last().cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(database: &str, far: Option<&str>) -> Whereabouts {
        Whereabouts { database: database.to_owned(), far: far.map(str::to_owned), file: None }
    }

    #[test]
    fn only_what_is_for_development_is_reset() {
        for name in ["shop", "shop_dev", "delivery", "alive", "test.db", ":memory:"] {
            assert!(check(&place(name, None), &ResetConfirmation::None).is_ok(), "{name}");
        }
        let help = "\n  help: reset what is for development only; to destroy this one all the same: \
                    `migrate reset --i-know-this-destroys-data ";
        let called =
            |name: &str| format!("`{name}` is called like a database of production; nothing was dropped{help}{name}`");
        let said = |name: &str| ResetConfirmation::NameOfDatabase(name.to_owned());
        let cases = [
            (place("shop_prod", None), ResetConfirmation::None, called("shop_prod")),
            (place("Production", None), ResetConfirmation::None, called("Production")),
            (place("shop-live", None), ResetConfirmation::None, called("shop-live")),
            (
                place("shop", Some("db.internal")),
                ResetConfirmation::None,
                format!("`shop` is on db.internal, which is not this machine; nothing was dropped{help}shop`"),
            ),
            (
                place("shop", None),
                said("shpo"),
                "the database is called `shop`, not `shpo`; nothing was dropped\n  help: name the database that is to \
                 be destroyed"
                    .to_owned(),
            ),
        ];
        for (place, confirmation, expected) in cases {
            assert_eq!(format!("{:?}", check(&place, &confirmation).unwrap_err()), expected);
        }
        assert!(check(&place("shop_prod", Some("db.internal")), &said("shop_prod")).is_ok());
    }

    #[test]
    fn what_a_statement_made_is_dropped_by_its_name() {
        let cases = [
            (
                Dialect::Postgres,
                "CREATE TABLE IF NOT EXISTS app.\"Users\" (id int)",
                "DROP TABLE IF EXISTS app.\"Users\" CASCADE",
            ),
            (Dialect::Postgres, "ALTER TABLE app.a RENAME TO b", "DROP TABLE IF EXISTS app.b CASCADE"),
            (Dialect::Postgres, "ALTER TABLE a RENAME COLUMN b TO c", ""),
            (Dialect::Postgres, "CREATE OR REPLACE FUNCTION f(a int) RETURNS int", "DROP ROUTINE IF EXISTS f CASCADE"),
            (Dialect::Postgres, "CREATE TEMP TABLE a (id int)", ""),
            (Dialect::Postgres, "CREATE UNIQUE INDEX i ON a (b)", ""),
            (Dialect::Postgres, "CREATE SCHEMA IF NOT EXISTS public", ""),
            (
                Dialect::Postgres,
                "CREATE EXTENSION pgcrypto",
                "left: `CREATE EXTENSION pgcrypto …` of 0001 a: it is not taken back",
            ),
            (Dialect::Mysql, "CREATE DEFINER=`a`@`b` VIEW v AS SELECT 1", "DROP VIEW IF EXISTS v"),
            (Dialect::Mysql, "RENAME TABLE `a` TO `b`", "DROP TABLE IF EXISTS `b`"),
            (Dialect::Mysql, "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @a = 1", ""),
            (Dialect::Sqlite, "CREATE VIRTUAL TABLE t USING fts5(a)", "DROP TABLE IF EXISTS t"),
            (Dialect::Cql, "CREATE TYPE ks.address (street text)", "DROP TYPE IF EXISTS ks.address"),
            (Dialect::Cql, "CREATE CUSTOM INDEX i ON t (a) USING 'x'", ""),
        ];
        for (dialect, text, expected) in cases {
            let makes = match dialect {
                Dialect::Postgres => POSTGRES,
                Dialect::Mysql => MYSQL,
                Dialect::Cql => CQL,
                _ => SQLITE,
            };
            let mut undoing = Undoing::default();
            let row = ["1", "1", "a", "", "sql", "0001_a.sql"].map(|text| Some(text.to_owned()));
            let digest = [Some("0".repeat(64)), None, Some("completed".to_owned())];
            let numbers = ["1", "1"].map(|text| Some(text.to_owned()));
            let rest = [
                None,
                None,
                Some(String::new()),
                None,
                None,
                Some(String::new()),
                Some(String::new()),
                None,
                None,
                None,
            ];
            let row = row.into_iter().chain(digest).chain(numbers).chain(rest).collect();
            let entry = Entry::from_row(row).unwrap();
            let all = words(text, dialect);
            let all = if dialect == Dialect::Mysql { plain(all) } else { all };
            undoing.take_back(&all, makes, &entry);
            let left = undoing.left.iter().map(|left| format!("left: {left}"));
            assert_eq!(undoing.drops.iter().cloned().chain(left).collect::<String>(), expected, "{text}");
        }
    }
}
