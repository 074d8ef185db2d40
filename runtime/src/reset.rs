//! Back to an empty database, in development: what the history knows is dropped, and the history.

use std::fmt;
use std::net::IpAddr;
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

/// A reset that is not refused, as things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedReset {
    drops: Vec<String>,
    last_event: i64,
    confirmation: ResetConfirmation,
}

impl CheckedReset {
    /// What would be run, in order; nothing where there is no history.
    ///
    /// ```no_run
    /// # fn shows(checked: &whimbrel::CheckedReset) {
    /// checked.drops().iter().for_each(|statement| println!("would run {statement}"));
    /// # }
    /// ```
    pub fn drops(&self) -> &[String] {
        &self.drops
    }
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

/// What is left where a drop has failed.
pub(crate) const HISTORY_STAYS: &str =
    "the history, which knows of what could not be dropped: see to that, and run `migrate reset` again";

impl Reset {
    /// The lines of an error that ended it.
    pub(crate) fn so_far(&self) -> String {
        if self.dropped.is_empty() && self.left.is_empty() {
            return String::new();
        }
        let dropped = self.dropped.iter().map(|dropped| format!("\n  {dropped}"));
        let left = self.left.iter().map(|left| format!("\n  left: {left}"));
        format!("dropped so far:{}", dropped.chain(left).collect::<String>())
    }
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) database: String,
    /// `None` on this machine.
    pub(crate) far: Option<String>,
    /// Where a file is, which may stand in a folder of production.
    pub(crate) path: Option<PathBuf>,
    /// The file that it is, where it may be removed.
    pub(crate) file: Option<PathBuf>,
}

impl Migrator<'_> {
    /// Drops what the migrations of the history have created, and the history: for development alone.
    ///
    /// What is dropped is named in the stored up scripts, last one first: tables, views, routines, types, sequences,
    /// triggers, with all that hangs on them, and schemas that are empty by then. A table of `CREATE TABLE IF NOT EXISTS`
    /// is dropped also where it was there before. What nothing ran for (a baseline), what is in another database, and
    /// what a script made after it had changed where names are looked for (`SET search_path`, `USE`) is left, and
    /// named; where a drop fails, the history stays, for another reset. Of a SQLite database that was opened by its URL the file is
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
    /// [`ErrorKind::Refused`]: the server is not this machine, or another one has migrated it, or the database is called
    /// production, and nobody has confirmed it; or what they confirmed is another one; or it takes no writes.
    /// [`ErrorKind::Locked`]: somebody is at work, or has the file open that is to be removed.
    pub async fn reset(&mut self, confirmation: ResetConfirmation) -> Result<Reset> {
        self.boxed_reset(confirmation, None).await
    }

    /// Looks whether [`reset`](Self::reset) would be refused, and what it would run, before somebody is asked.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// let checked = migrator.check_reset(ResetConfirmation::None).await?;
    /// println!("{}: is that what you want?", checked.drops().join("\n"));
    /// migrator.reset_checked(checked).await?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`reset`](Self::reset), but for what only shows when it is done.
    pub async fn check_reset(&mut self, confirmation: ResetConfirmation) -> Result<CheckedReset> {
        self.boxed_check_reset(confirmation).await
    }

    /// Does what was checked, unless anything has happened since.
    ///
    /// # Errors
    /// As [`reset`](Self::reset); [`ErrorKind::Refused`] where the history is another one by now.
    pub async fn reset_checked(&mut self, checked: CheckedReset) -> Result<Reset> {
        self.boxed_reset(checked.confirmation, Some(checked.last_event)).await
    }

    /// What [`reset`](Self::reset) would run, in order; reads only, and refuses nothing.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn plan_reset(&mut self) -> Result<Vec<String>> {
        self.boxed_plan_reset().await
    }

    fn boxed_reset(&mut self, confirmation: ResetConfirmation, seen: Option<i64>) -> Answer<'_, Result<Reset>> {
        Box::pin(async move {
            let (set, settings, identity) = (self.migrations, &self.settings, &self.identity);
            let driver = opened(&mut self.driver, set)?;
            let dialect = driver.dialect();
            let all = async {
                let mut place = driver.whereabouts().await?;
                check(&place, &confirmation)?;
                let mut backoff = Backoff::new(settings.lock_timeout);
                let history = read(&mut **driver, Detail::Scripts, &mut backoff).await?;
                check_unchanged(&history, seen)?;
                if !history.present {
                    return Ok(Reset::default());
                }
                check_appliers(&place, &history, &identity.by, &confirmation)?;
                rewrite::check_free(&history)?;
                place.keep_what_was_there(&history);
                let undoing = undoing(dialect, &history, &place.database);
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

    fn boxed_check_reset(&mut self, confirmation: ResetConfirmation) -> Answer<'_, Result<CheckedReset>> {
        Box::pin(async move {
            let (settings, identity) = (&self.settings, &self.identity);
            let driver = opened(&mut self.driver, self.migrations)?;
            let dialect = driver.dialect();
            let all = async {
                let place = driver.whereabouts().await?;
                check(&place, &confirmation)?;
                let history = read(&mut **driver, Detail::Scripts, &mut Backoff::new(settings.lock_timeout)).await?;
                check_appliers(&place, &history, &identity.by, &confirmation)?;
                rewrite::check_free(&history)?;
                let drops = planned(dialect, place, &history, driver.history_table());
                Ok(CheckedReset { drops, last_event: history.last_event, confirmation })
            };
            let checked = bounded((settings.timeout, dialect), all).await;
            driver.release().await;
            checked
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
                Ok(planned(dialect, place, &history, driver.history_table()))
            };
            let planned = bounded((settings.timeout, dialect), all).await;
            driver.release().await;
            planned
        })
    }
}

/// What a reset runs, in order.
fn planned(
    dialect: Dialect,
    mut place: Whereabouts,
    history: &History,
    history_table: impl fmt::Display,
) -> Vec<String> {
    place.keep_what_was_there(history);
    match (history.present, &place.file) {
        (false, _) => Vec::new(),
        (true, Some(file)) => vec![remove(file)],
        (true, None) => {
            let mut drops = undoing(dialect, history, &place.database).drops;
            drops.push(format!("DROP TABLE {history_table}"));
            drops
        }
    }
}

fn check_unchanged(history: &History, seen: Option<i64>) -> Result<()> {
    if seen.is_none_or(|seen| seen == history.last_event) {
        return Ok(());
    }
    let message = "the history has changed since it was asked; nothing was dropped";
    Err(Error::new(ErrorKind::Refused, message).help("run `migrate reset` again, and look at what it would drop"))
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
        None => match place.path.as_deref().and_then(folder_of_production) {
            Some(folder) => format!("`{name}` is in `{folder}`, which is called like a place of production"),
            None => return Ok(()),
        },
    };
    Err(refused(&why, name))
}

/// A tunnel makes a server elsewhere look like this machine: the history tells who works with it.
fn check_appliers(place: &Whereabouts, history: &History, by: &str, confirmation: &ResetConfirmation) -> Result<()> {
    let host_of = |by: &str| by.rsplit_once('@').map(|(_, host)| host.to_owned());
    let (here, mut hosts) = (host_of(by), history.entries.iter().filter_map(|entry| host_of(&entry.applied_by)));
    match hosts.find(|host| here.as_ref() != Some(host)) {
        Some(host) if *confirmation == ResetConfirmation::None => {
            let name = &place.database;
            Err(refused(&format!("`{name}` was migrated from {host}, not from this machine"), name))
        }
        _ => Ok(()),
    }
}

fn refused(why: &str, name: &str) -> Error {
    let help = format!(
        "reset what is for development only; to destroy this one all the same: \
         `migrate reset --i-know-this-destroys-data {name}`"
    );
    Error::new(ErrorKind::Refused, format!("{why}; nothing was dropped")).help(help)
}

impl Whereabouts {
    /// A file that was there before any migration is not removed with what it holds.
    fn keep_what_was_there(&mut self, history: &History) {
        if history.entries.iter().any(|entry| entry.kind == BASELINE) {
            self.file = None;
        }
    }
}

/// The kind of an entry of which nothing ran here.
const BASELINE: &str = "baseline";

/// Whole words alone: a project may be called `products`, or its folder `shop-main`.
fn folder_of_production(path: &std::path::Path) -> Option<String> {
    let is_word = |word: &str| matches!(word, "prod" | "production" | "prd" | "live");
    let folders = path.parent()?.components().map(|folder| folder.as_os_str().to_string_lossy().into_owned());
    let mut folders =
        folders.filter(|folder| folder.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(is_word));
    folders.next()
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
    ("create schema ?if ?not ?exists *", "DROP SCHEMA IF EXISTS {} RESTRICT"),
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

fn undoing(dialect: Dialect, history: &History, database: &str) -> Undoing {
    let makes = match dialect {
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
        Dialect::Cql => CQL,
        _ => SQLITE,
    };
    let mut undoing = Undoing::default();
    let applied = history.entries.iter().filter(|entry| entry.state != State::RolledBack);
    for entry in applied {
        if entry.kind == BASELINE {
            undoing.left.push(format!("what {} stands for: it is a baseline, nothing ran here", entry.label()));
            continue;
        }
        let stored = entry.up.clone().map(|text| read_stored(Direction::Up, dialect, &entry.path, text));
        let Some(Ok(script)) = stored else {
            undoing.left.push(format!("what {} made: its script is not stored, or cannot be read", entry.label()));
            continue;
        };
        let mut names = Names::OfDatabase(database);
        for statement in script.statements() {
            let all = words(script.text_of(&statement), dialect);
            let all = if dialect == Dialect::Mysql { plain(all) } else { all };
            if changes_names(&all, dialect) {
                names = Names::OfNobodyKnowsWhat;
            }
            undoing.take_back(&all, (dialect, makes, names), entry);
        }
    }
    // What was made last goes first; what was made twice, once.
    undoing.drops.reverse();
    let mut seen = std::collections::HashSet::new();
    undoing.drops.retain(|drop| seen.insert(drop.clone()));
    undoing
}

impl Undoing {
    fn take_back(&mut self, words: &[&str], (dialect, makes, means): (Dialect, &[Makes], Names<'_>), entry: &Entry) {
        let found = makes.iter().find_map(|(shape, drop)| Some((fit(words, shape)?.0, *drop)));
        if let Some((names, drop)) = found {
            let name = named(&names);
            if let Some(why) = means.not_sure_of(&name, dialect) {
                self.left.push(format!("`{name}` of {}: {why}", entry.label()));
                return;
            }
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

/// What an unqualified name means at a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names<'d> {
    OfDatabase(&'d str),
    /// The script has set a path, or chosen a database.
    OfNobodyKnowsWhat,
}

impl Names<'_> {
    /// Why a name may be somebody else's.
    fn not_sure_of(self, name: &str, dialect: Dialect) -> Option<&'static str> {
        let qualifier = name.rsplit_once('.').map(|(qualifier, _)| qualifier);
        match (self, qualifier) {
            // A schema of PostgreSQL has no other.
            (_, Some(_)) if dialect == Dialect::Postgres => None,
            (Self::OfDatabase(_), None) => None,
            (Self::OfDatabase(database), Some(qualifier)) if is_same(qualifier, database, dialect) => None,
            (_, Some(_)) => Some("it is in another database, or may be"),
            (Self::OfNobodyKnowsWhat, None) => Some("its script has changed where such a name is looked for"),
        }
    }
}

fn is_same(qualifier: &str, database: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Mysql => qualifier.trim_matches('`') == database,
        Dialect::Cql if qualifier.starts_with('"') => qualifier.trim_matches('"') == database,
        Dialect::Cql => qualifier.eq_ignore_ascii_case(database),
        _ => qualifier.trim_matches(['"', '`', '[', ']']).eq_ignore_ascii_case("main"),
    }
}

/// Whether unqualified names mean something else from here on.
fn changes_names(words: &[&str], dialect: Dialect) -> bool {
    let begins = |shape: &str| fit(words, shape).is_some();
    let is_path = |word: &&str| word.trim_matches(['"', '\'']).eq_ignore_ascii_case("search_path");
    match dialect {
        Dialect::Postgres => {
            begins("set ?session|local schema") || begins("set|select|reset|do") && words.iter().any(is_path)
        }
        _ => begins("use *"),
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

/// Whether a host is this machine: a socket's folder, a name of it, or a loopback address.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host.starts_with('/') || host.eq_ignore_ascii_case("localhost") || address.is_some_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(database: &str, far: Option<&str>) -> Whereabouts {
        Whereabouts { database: database.to_owned(), far: far.map(str::to_owned), path: None, file: None }
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
    fn a_folder_of_production_is_told_by_whole_words() {
        for path in ["/srv/production/a.db", "/srv/shop-prod/a.db", "/live/data/a.db"] {
            assert!(folder_of_production(std::path::Path::new(path)).is_some(), "{path}");
        }
        for path in ["/home/me/products/a.db", "/src/shop-main/a.db", "/a/delivery/production.db", "a.db"] {
            assert!(folder_of_production(std::path::Path::new(path)).is_none(), "{path}");
        }
    }

    #[test]
    fn a_script_may_change_where_names_are_looked_for() {
        let cases = [
            (Dialect::Postgres, "SET LOCAL search_path TO app", true),
            (Dialect::Postgres, "SELECT pg_catalog.set_config('search_path', '', false)", true),
            (Dialect::Postgres, "SET SCHEMA 'app'", true),
            (Dialect::Postgres, "SET lock_timeout = 1", false),
            (Dialect::Postgres, "CREATE FUNCTION f() RETURNS int SET search_path = app", false),
            (Dialect::Mysql, "USE other", true),
            (Dialect::Cql, "USE other", true),
        ];
        for (dialect, text, expected) in cases {
            assert_eq!(changes_names(&words(text, dialect), dialect), expected, "{text}");
        }
        let means = Names::OfNobodyKnowsWhat;
        assert!(means.not_sure_of("a", Dialect::Postgres).is_some());
        assert!(means.not_sure_of("app.a", Dialect::Postgres).is_none());
        assert!(means.not_sure_of("shop.a", Dialect::Mysql).is_some());
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
            (Dialect::Postgres, "CREATE SCHEMA IF NOT EXISTS auth", "DROP SCHEMA IF EXISTS auth RESTRICT"),
            (Dialect::Mysql, "CREATE TABLE `ks`.t (id INT)", "DROP TABLE IF EXISTS `ks`.t"),
            (
                Dialect::Mysql,
                "CREATE TABLE other.t (id INT)",
                "left: `other.t` of 0001 a: it is in another database, or may be",
            ),
            (
                Dialect::Cql,
                "CREATE TABLE other.t (id int PRIMARY KEY)",
                "left: `other.t` of 0001 a: it is in another database, or may be",
            ),
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
            undoing.take_back(&all, (dialect, makes, Names::OfDatabase("ks")), &entry);
            let left = undoing.left.iter().map(|left| format!("left: {left}"));
            assert_eq!(undoing.drops.iter().cloned().chain(left).collect::<String>(), expected, "{text}");
        }
    }
}
