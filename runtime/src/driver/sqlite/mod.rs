//! SQLite: all pending steps in one immediate transaction, or each in its own where that cannot hold.

mod answer;
mod backup;
mod batch;
mod begun;
mod catalogue;
mod deadline;
mod entry;
mod foreign_keys;
mod link;
mod outside;
mod patience;
mod pragma;
mod sent;
mod sizes;
mod wipe;

use std::path::Path;
use std::time::Duration;

use whimbrel_core::{Dialect, Script};

use crate::backoff::Backoff;
use crate::backup::{Note, Right, Source};
use crate::catalogue::model::Catalogue;
use crate::database::{Database, sealed};
use crate::doubt::{self, Thing};
use crate::driver::completed::{ALL, NONE};
use crate::driver::entry::{Standing, Tongue};
use crate::driver::{Answer, Batch, Detail, Driver, Ended, Failure, Part, Resolution, Rewriting, Sizes, Stop};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::history::{Entry, Head, History, Holder};
use crate::literal::literal;
use crate::plan::{Mode, Step};
use crate::reset::{Reset, Whereabouts, Wipe};
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::table_name::{TableName, Tables};

use answer::Fault;
use entry::has_left;
pub(crate) use link::Link;
use patience::Patience;
use sent::Sent;

const SCHEMA: &str = "main";

/// How long others may be in the way of recording a failure.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);

const TONGUE: Tongue = Tongue {
    dialect: Dialect::Sqlite,
    key: "TEXT",
    text: "TEXT",
    cast: "TEXT",
    engine: "",
    rank: "rank",
    conflict: "ON CONFLICT (version) DO UPDATE SET",
    proposed: "excluded.{}",
    time: "TEXT",
    now: "strftime('%Y-%m-%d %H:%M:%fZ', 'now')",
    elapsed: "CAST(round((julianday('now') - julianday(started_at)) * 86400000) AS INTEGER)",
    shown_time: "{}",
};

pub(crate) struct Sqlite<'a> {
    link: Link<'a>,
    tables: Tables,
}

impl<'a> Sqlite<'a> {
    fn new(link: Link<'a>) -> Result<Self> {
        Ok(Self { link, tables: TableName::parse(TableName::DEFAULT)?.tables(SCHEMA, '"') })
    }
}

impl<'a> Database<'a> for &'a sqlx::SqlitePool {}

impl<'a> sealed::IntoDriver<'a> for &'a sqlx::SqlitePool {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Sqlite::new(Link::of_pool(self))?)))
    }
}

impl<'a> Database<'a> for &'a mut sqlx::SqliteConnection {}

impl<'a> sealed::IntoDriver<'a> for &'a mut sqlx::SqliteConnection {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Sqlite::new(Link::of_caller(self)?)?)))
    }
}

/// The driver behind a `sqlite:` URL; unless the URL gives a `mode` that does not, whoever has something to write creates
/// the file.
pub(crate) fn from_url(url: &str) -> Result<Box<dyn Driver + 'static>> {
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().map_err(|error| answer::bad_url(&error))?;
    let (database, parameters) = url.split_once('?').unwrap_or((url, ""));
    let mode = parameters.split('&').find_map(|parameter| parameter.strip_prefix("mode="));
    let is_file = !database.ends_with(":memory:") && !options.get_filename().as_os_str().is_empty();
    let link = match mode {
        None | Some("rwc") if is_file => Link::of_file(options),
        _ => Link::of_options(options),
    };
    Ok(Box::new(Sqlite::new(link)?))
}

impl Driver for Sqlite<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn history_table(&self) -> &str {
        &self.tables.shown
    }

    fn use_history_table(&mut self, table: TableName) {
        self.tables = table.tables(SCHEMA, '"');
    }

    fn absent(&self) -> Option<&Path> {
        self.link.absent()
    }

    fn head<'a>(&'a mut self, key: &'a str) -> Answer<'a, Result<Head>> {
        Box::pin(self.read_head(key))
    }

    fn history(&mut self, detail: Detail) -> Answer<'_, Result<History>> {
        Box::pin(self.read_history(detail))
    }

    fn events(&mut self, limit: Option<usize>) -> Answer<'_, Result<Vec<Event>>> {
        Box::pin(self.read_events(limit))
    }

    fn transactional<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        Box::pin(async move {
            self.link.act();
            let ended = batch::run(&mut self.link, &self.tables, batch).await;
            self.record_failure(&batch, &ended).await;
            ended
        })
    }

    fn outside<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        Box::pin(async move {
            self.link.act();
            let ended = outside::run(&mut self.link, &self.tables, batch).await;
            self.record_failure(&batch, &ended).await;
            ended
        })
    }

    /// Nothing is asked of SQLite: what it cannot run in a transaction may run twice.
    fn ask<'a>(&'a mut self, _: &'a Thing) -> Answer<'a, Result<doubt::Answer>> {
        Box::pin(async { Ok(doubt::Answer::No) })
    }

    fn resolve<'a>(&'a mut self, resolution: Resolution<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(async move {
            self.link.act();
            let settled = self.settle(&resolution).await;
            match settled {
                Ok(Some(())) => Ok(()),
                Ok(None) => Err(Stop::Stale),
                Err(fault) => Err(fault.before_step(&self.tables)),
            }
        })
    }

    fn rewrite<'a>(&'a mut self, rewriting: Rewriting<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(async move {
            self.link.act();
            match self.write_changes(&rewriting).await {
                Ok(Some(())) => Ok(()),
                Ok(None) => Err(Stop::Stale),
                Err(fault) => Err(fault.before_step(&self.tables)),
            }
        })
    }

    fn verify<'a>(&'a mut self, script: &'a Script, settings: &'a Settings) -> Answer<'a, Result<Option<Failure>>> {
        Box::pin(self.ask_queries(script, settings))
    }

    fn table_sizes<'a>(&'a mut self, names: &'a [String]) -> Answer<'a, Result<Sizes>> {
        Box::pin(async move {
            let sizes = sizes::sizes(&mut self.link, names).await;
            sizes.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn backup_right(&mut self) -> Answer<'_, Result<Right>> {
        self.link.act();
        Box::pin(backup::right(&mut self.link, &self.tables))
    }

    fn backup_source(&mut self, _: Duration) -> Answer<'_, Result<Source>> {
        self.link.act();
        Box::pin(backup::source(&mut self.link, &self.tables))
    }

    fn copy_to<'a>(&'a mut self, folder: &'a Path, path: &'a Path, patience: Duration) -> Answer<'a, Result<()>> {
        self.link.act();
        Box::pin(backup::copy_to((&mut self.link, &self.tables), (folder, path), patience))
    }

    fn record_backup<'a>(&'a mut self, note: Note<'a>) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            self.link.act();
            let mut backoff = Backoff::new(RECORD_PATIENCE);
            loop {
                let Err(fault) = backup::record(&mut self.link, &self.tables, &note).await else { return Ok(()) };
                if !fault.is_busy() || !backoff.sleep().await {
                    return Err(fault.into_error(&self.tables));
                }
            }
        })
    }

    fn catalogue(&mut self) -> Answer<'_, Result<Catalogue>> {
        Box::pin(async move {
            let read = self.link.read(catalogue::QUERIES.to_owned()).await;
            let rows = match read {
                Ok(answer) => answer.rows,
                Err(fault) if fault.is_busy() || !fault.is_database() => return Err(fault.into_error(&self.tables)),
                Err(fault) => {
                    let error = Error::new(ErrorKind::Refused, "the catalogue of the database cannot be read");
                    return Err(error.source(fault.into_cause()));
                }
            };
            let mut catalogue = catalogue::catalogue(rows);
            catalogue.forget(&self.tables.in_catalogue(SCHEMA));
            Ok(catalogue)
        })
    }

    /// In memory: nothing is left of it.
    fn scratch(&mut self) -> Answer<'_, Result<Option<Scratch>, String>> {
        Box::pin(async move {
            let driver = Sqlite::new(Link::of_options(self.link.in_memory())).map_err(|error| error.to_string())?;
            Ok(Some(Scratch { driver: Box::new(driver), made: None, leftovers: Vec::new() }))
        })
    }

    fn whereabouts(&mut self) -> Answer<'_, Result<Whereabouts>> {
        Box::pin(wipe::whereabouts(&mut self.link, &self.tables))
    }

    fn wipe<'a>(&'a mut self, wipe: Wipe<'a>) -> Answer<'a, Result<Reset, Stop>> {
        self.link.act();
        Box::pin(wipe::run(&mut self.link, &self.tables, wipe))
    }

    fn release(&mut self) -> Answer<'_, ()> {
        Box::pin(self.link.release())
    }
}

impl Sqlite<'_> {
    async fn read_head(&mut self, key: &str) -> Result<Head> {
        let sql = TONGUE.head(&self.tables, key);
        let answer = match self.link.read_first(sql).await {
            Ok(answer) => answer,
            Err(fault) if fault.is_missing_table() => return Ok(Head::Absent),
            Err(fault) => return Err(fault.into_error(&self.tables)),
        };
        let mut row = answer.rows.into_iter().next().unwrap_or_default().into_iter();
        let mut next = || row.next().flatten();
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Head::Present { completed: number(next()), unfinished: number(next()), chain: next() })
    }

    async fn read_history(&mut self, detail: Detail) -> Result<History> {
        let last_event = TONGUE.last_event(&self.tables);
        let entries = TONGUE.select(&self.tables, detail);
        // The event is read first, so that a change in between makes the plan stale, not wrong.
        let answer = match self.link.read(format!("{last_event};\n{entries}")).await {
            Ok(answer) => answer,
            Err(fault) if fault.is_missing_table() => return self.no_history().await,
            Err(fault) => return Err(fault.into_error(&self.tables)),
        };
        let mut rows = answer.rows.into_iter();
        let last_event = rows.next().and_then(|row| row.into_iter().next().flatten());
        let entries: Result<Vec<Entry>, _> = rows.map(Entry::from_row).collect();
        Ok(History {
            present: true,
            last_event: last_event.and_then(|text| text.parse().ok()).unwrap_or(0),
            entries: entries.map_err(|column| self.foreign(&format!("column `{column}` holds no value of ours")))?,
            holder: Holder::Unknown,
        })
    }

    async fn read_events(&mut self, limit: Option<usize>) -> Result<Vec<Event>> {
        match self.link.read(TONGUE.select_events(&self.tables, limit)).await {
            Ok(answer) => Event::from_rows(answer.rows, &self.tables.shown),
            Err(fault) if fault.is_missing_table() => self.no_history().await.map(|_| Vec::new()),
            Err(fault) => Err(fault.into_error(&self.tables)),
        }
    }

    /// A table of ours is missing: a fresh database, unless the other one is there.
    async fn no_history(&mut self) -> Result<History> {
        let columns = [&self.tables.history, &self.tables.events].map(|name| {
            let name = name.rsplit_once('.').map_or(&**name, |(_, name)| name).trim_matches('"');
            literal(Dialect::Sqlite, name)
        });
        let sql = format!("SELECT name FROM main.sqlite_master WHERE name IN ({})", columns.join(", "));
        let answer = self.link.read(sql).await.map_err(|fault| fault.into_error(&self.tables))?;
        match &answer.rows.into_iter().flatten().flatten().collect::<Vec<_>>()[..] {
            [found] => Err(self.foreign(&format!("there is {found}, but not all that belongs to it"))),
            // With both, somebody has just made them: the plan will be stale.
            _ => Ok(History::default()),
        }
    }

    fn foreign(&self, why: &str) -> Error {
        let message = format!("the table {} is not a history of ours: {why}", self.tables.shown);
        Error::new(ErrorKind::History, message)
            .help("name another one with `--history-table`, or `.history_table(\"table\")` in the program")
    }

    /// Records the failure that ended a batch, if one did; without a record, the error is reported all the same.
    async fn record_failure(&mut self, batch: &Batch<'_>, ended: &Ended) {
        let Some((step, failure)) = ended.failure(batch) else { return };
        let mut backoff = Backoff::new(RECORD_PATIENCE);
        loop {
            let Err(fault) = self.write_failure(batch, step, failure).await else { return };
            if !fault.is_busy() || !backoff.sleep().await {
                let error = fault.into_error(&self.tables);
                tracing::warn!(%error, "the failure could not be recorded in the history");
                return;
            }
        }
    }

    async fn write_failure(&mut self, batch: &Batch<'_>, step: &Step<'_>, failure: &Failure) -> Result<(), Fault> {
        let cause = failure.cause.to_string();
        // The transaction that was to create them may be rolled back.
        let create = TONGUE.create(&self.tables);
        let mut sql = create.map(|sql| sql.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)).to_vec();
        if let Some(record) = &step.record {
            let standing = Standing { state: "failed", applied: failure.kept, error: Some(&cause) };
            let entry = TONGUE.enter(&self.tables, step, batch.identity, &record.rank.to_string(), standing);
            let anew = TONGUE.begun_anew(&self.tables, step, batch.history.last_event + 1);
            let ours = match step.mode {
                // Who has begun it anew since writes its entry.
                Mode::Outside => format!(" AND NOT EXISTS ({anew})"),
                _ => String::new(),
            };
            sql.push(format!("{entry} WHERE state <> 'completed'{ours}"));
        } else if step.mode == Mode::Outside {
            sql.push(TONGUE.fail_rollback(&self.tables, step, failure, &cause));
        }
        let (insert, values) = TONGUE.event(&self.tables, &step.key, batch.identity, (failure.event(), Some(&cause)));
        sql.push(format!("{insert} SELECT {values}, coalesce(max(id), 0) + 1, NULL FROM {}", self.tables.events));
        let mut transaction = self.link.begin().await?;
        transaction.send(sql.join(";\n"), NONE).await?;
        transaction.commit(&mut Patience::once()).await
    }

    /// `None` when somebody was faster.
    async fn settle(&mut self, resolution: &Resolution<'_>) -> Result<Option<()>, Fault> {
        let (key, why) = (&*resolution.entry.key, &*resolution.why);
        let (insert, values) = TONGUE.event(&self.tables, key, resolution.identity, ("resolved", Some(why)));
        let event = format!("{insert} VALUES ({values}, {}, NULL)", resolution.last_event + 1);
        let mut begun = self.link.begin().await?;
        let seen = begun.send(TONGUE.last_event(&self.tables), ALL).await?.into_value();
        let settled = begun.send(TONGUE.resolve(&self.tables, resolution), NONE).await?;
        if seen != Some(resolution.last_event.to_string()) || !has_left(&settled) {
            begun.roll_back().await;
            return Ok(None);
        }
        begun.send(event, NONE).await?;
        begun.commit(&mut Patience::once()).await?;
        Ok(Some(()))
    }

    /// `None` when somebody was faster.
    async fn write_changes(&mut self, rewriting: &Rewriting<'_>) -> Result<Option<()>, Fault> {
        let (changes, event) = TONGUE.rewrite(&self.tables, rewriting);
        let mut begun = self.link.begin().await?;
        let seen = begun.send(TONGUE.last_event(&self.tables), ALL).await?.into_value();
        if seen != Some(rewriting.history.last_event.to_string()) {
            begun.roll_back().await;
            return Ok(None);
        }
        for sql in changes.into_iter().chain([event]) {
            begun.send(sql, NONE).await?;
        }
        begun.commit(&mut Patience::once()).await?;
        Ok(Some(()))
    }

    async fn ask_queries(&mut self, script: &Script, settings: &Settings) -> Result<Option<Failure>> {
        let timeout = script.options().timeout.or(settings.statement_timeout);
        for (index, statement) in script.statements().enumerate() {
            let query = Sent::new(Part::Verify(index), script, &statement, timeout);
            match self.link.run(&mut Patience::last(), query.sql(), timeout).await {
                Ok(answer) => match query.missing(&answer) {
                    None => continue,
                    failure => return Ok(failure),
                },
                Err(fault) if fault.is_database() => return Ok(Some(query.failure(fault))),
                Err(fault) => return Err(fault.into_error(&self.tables)),
            }
        }
        Ok(None)
    }
}
