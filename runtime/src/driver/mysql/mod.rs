//! MySQL and MariaDB: schema changes commit by themselves, so that each statement stands alone, with its progress.
//!
//! Tried on MariaDB 10.11. A change of rows is one transaction with its progress; the lock is the session's, on the
//! connection that executes, because the server goes on with a statement when its client is dead.

mod answer;
mod backup;
mod catalogue;
mod heart;
mod holders;
mod left;
mod link;
mod request;
mod right;
mod schema;
mod scratch;
mod sizes;
mod statement;
mod step;
mod wipe;

use std::time::Duration;

use whimbrel_core::{Dialect, Script};

use crate::backup::{Note, Right, Source};
use crate::catalogue::model::Catalogue;
use crate::database::{Database, sealed};
use crate::doubt::{self, Thing};
use crate::driver::completed::{ALL, NONE};
use crate::driver::{Answer, Batch, Detail, Driver, Ended, Failure, Resolution, Rewriting, Sizes, Stop, TakeOver};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::history::{Entry, Head, History};
use crate::identity::Identity;
use crate::reset::{Reset, Whereabouts, Wipe};
use crate::runner::Runner;
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::table_name::{TableName, Tables};

use answer::Fault;
pub(crate) use link::Link;
use request::TONGUE;

pub(crate) struct Mysql<'a> {
    link: Link<'a>,
    table: TableName,
    /// With the session's database, once that is known.
    tables: Tables,
}

impl<'a> Mysql<'a> {
    fn new(link: Link<'a>) -> Result<Self> {
        let table = TableName::parse(TableName::DEFAULT)?;
        let tables = request::tables(&table, link.database());
        Ok(Self { link, table, tables })
    }
}

impl<'a> Database<'a> for &'a sqlx::MySqlPool {}

impl<'a> sealed::IntoDriver<'a> for &'a sqlx::MySqlPool {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Mysql::new(Link::of_pool(self))?)))
    }
}

impl<'a> Database<'a> for &'a mut sqlx::MySqlConnection {}

impl<'a> sealed::IntoDriver<'a> for &'a mut sqlx::MySqlConnection {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Mysql::new(Link::of_caller(self)?)?)))
    }
}

/// The driver behind a `mysql://` or `mariadb://` URL.
pub(crate) fn from_url(url: &str) -> Result<Box<dyn Driver + 'static>> {
    let options: sqlx::mysql::MySqlConnectOptions = url.parse().map_err(|error| answer::bad_url(&error))?;
    Ok(Box::new(Mysql::new(Link::of_options(options))?))
}

impl Driver for Mysql<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn history_table(&self) -> &str {
        &self.tables.shown
    }

    fn use_history_table(&mut self, table: TableName) {
        self.tables = request::tables(&table, self.link.database());
        self.table = table;
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
        Box::pin(step::run(&mut self.link, &self.tables, batch))
    }

    fn outside<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        Box::pin(step::run(&mut self.link, &self.tables, batch))
    }

    fn ask<'a>(&'a mut self, thing: &'a Thing) -> Answer<'a, Result<doubt::Answer>> {
        Box::pin(async move {
            let answer = catalogue::ask(&mut self.link, thing).await;
            answer.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn resolve<'a>(&'a mut self, resolution: Resolution<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(step::resolve(&mut self.link, &self.tables, resolution))
    }

    fn rewrite<'a>(&'a mut self, rewriting: Rewriting<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(step::rewrite(&mut self.link, &self.tables, rewriting))
    }

    fn take_over<'a>(
        &'a mut self,
        runner: &'a Runner,
        lease: Duration,
        identity: &'a Identity,
    ) -> Answer<'a, Result<TakeOver>> {
        Box::pin(async move {
            let taken = right::take_over(&mut self.link, &self.tables, runner, (lease, identity)).await;
            taken.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn verify<'a>(&'a mut self, script: &'a Script, settings: &'a Settings) -> Answer<'a, Result<Option<Failure>>> {
        Box::pin(self.ask_queries(script, settings))
    }

    fn table_sizes<'a>(&'a mut self, names: &'a [String]) -> Answer<'a, Result<Sizes>> {
        Box::pin(async move {
            self.meet().await?;
            let sizes = sizes::sizes(&mut self.link, names).await;
            sizes.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn backup_right(&mut self) -> Answer<'_, Result<Right>> {
        Box::pin(async move {
            let right = backup::right(&mut self.link, &self.tables).await;
            right.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn backup_source(&mut self, _: Duration) -> Answer<'_, Result<Source>> {
        Box::pin(async move {
            let source = backup::source(&mut self.link).await;
            source.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn record_backup<'a>(&'a mut self, note: Note<'a>) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            let recorded = backup::record(&mut self.link, &self.tables, &note).await;
            recorded.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn catalogue(&mut self) -> Answer<'_, Result<Catalogue>> {
        Box::pin(async move {
            let mut catalogue = self.whole_catalogue().await?;
            catalogue.forget(&self.tables.in_catalogue(self.link.database()));
            Ok(catalogue)
        })
    }

    fn scratch(&mut self) -> Answer<'_, Result<Option<Scratch>, String>> {
        Box::pin(scratch::create(&mut self.link, &self.tables))
    }

    fn neighbours(&mut self) -> Answer<'_, Result<Vec<String>>> {
        Box::pin(async move {
            // Nobody writes to `information_schema`.
            let names = "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> 'information_schema'";
            let answer = self.link.send(names.to_owned(), ALL).await.map_err(|fault| unread(fault, &self.tables))?;
            Ok(answer.rows.into_iter().flatten().flatten().collect())
        })
    }

    fn empty(&mut self) -> Answer<'_, Result<()>> {
        Box::pin(async move {
            let drops = schema::drops(&self.whole_catalogue().await?);
            self.link.send(drops, NONE).await.map(drop).map_err(|fault| unread(fault, &self.tables))
        })
    }

    fn whereabouts(&mut self) -> Answer<'_, Result<Whereabouts>> {
        Box::pin(async move {
            self.meet().await?;
            wipe::whereabouts(&mut self.link, &self.tables).await
        })
    }

    fn wipe<'a>(&'a mut self, wipe: Wipe<'a>) -> Answer<'a, Result<Reset, Stop>> {
        Box::pin(wipe::run(&mut self.link, &self.tables, wipe))
    }

    fn release(&mut self) -> Answer<'_, ()> {
        Box::pin(self.link.release())
    }
}

impl Mysql<'_> {
    /// With our own tables.
    async fn whole_catalogue(&mut self) -> Result<Catalogue> {
        self.meet().await?;
        let version = self.link.send(schema::VERSION.to_owned(), ALL).await;
        let version = version.map_err(|fault| unread(fault, &self.tables))?.into_value().unwrap_or_default();
        let answer = self.link.send(schema::queries(&version), ALL).await;
        let rows = answer.map_err(|fault| unread(fault, &self.tables))?.rows;
        Ok(schema::catalogue(rows, self.link.database()))
    }

    /// Learns the database of a caller's session, and refuses one inside a transaction.
    async fn meet(&mut self) -> Result<()> {
        self.link.meet(&self.tables).await?;
        self.tables = request::tables(&self.table, self.link.database());
        if self.tables.schema.is_empty() {
            let message = "no database is chosen; nothing was run";
            let help = "name it in the URL: `mysql://user:password@host:3306/database`";
            return Err(Error::new(ErrorKind::Refused, message).help(help));
        }
        Ok(())
    }

    async fn read_head(&mut self, key: &str) -> Result<Head> {
        self.meet().await?;
        let answer = match self.link.read_first(TONGUE.head(&self.tables, key)).await {
            Ok(answer) => answer,
            Err(fault) if fault.says(request::NO_TABLE) => return Ok(Head::Absent),
            Err(fault) => return Err(fault.into_error(&self.tables)),
        };
        let mut row = answer.rows.into_iter().next().unwrap_or_default().into_iter();
        let mut next = || row.next().flatten();
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Head::Present { completed: number(next()), unfinished: number(next()), chain: next() })
    }

    async fn read_history(&mut self, detail: Detail) -> Result<History> {
        self.meet().await?;
        let answer = match self.link.send(request::history(&self.tables, detail), ALL).await {
            Ok(answer) => answer,
            // The first statement reads no table of ours. The events are made before the history: by itself they are
            // what a runner left that was killed between the two.
            Err(fault) if fault.says(request::NO_TABLE) => {
                let session = fault.answer().rows.first();
                if let Some(found) = session.and_then(|row| row.get(1).cloned().flatten()) {
                    return Err(foreign(&self.tables, &format!("there is {found}, but not all that belongs to it")));
                }
                let column = |index| session.and_then(|row| row.get(index).cloned().flatten());
                let (holder, lock) = (column(0), column(2));
                self.link.has_lock = lock.is_some();
                let holder = right::holder(&mut self.link, &self.tables, holder, &[]).await;
                return Ok(History { holder, ..History::default() });
            }
            Err(fault) => return Err(fault.into_error(&self.tables)),
        };
        let mut rows = answer.rows.into_iter();
        let session = rows.next();
        let column = |index| session.as_ref().and_then(|row| row.get(index).cloned().flatten());
        let (holder, lock) = (column(0), column(2));
        self.link.has_lock = lock.is_some();
        let last_event = rows.next().and_then(|row| row.into_iter().next().flatten());
        let entries: Result<Vec<Entry>, _> = rows.map(Entry::from_row).collect();
        let entries =
            entries.map_err(|column| foreign(&self.tables, &format!("column `{column}` holds no value of ours")))?;
        Ok(History {
            present: true,
            last_event: last_event.and_then(|text| text.parse().ok()).unwrap_or(0),
            holder: right::holder(&mut self.link, &self.tables, holder, &entries).await,
            entries,
        })
    }

    async fn read_events(&mut self, limit: Option<usize>) -> Result<Vec<Event>> {
        self.meet().await?;
        match self.link.send(TONGUE.select_events(&self.tables, limit), ALL).await {
            Ok(answer) => Event::from_rows(answer.rows, &self.tables.shown),
            // A fresh database, or a history that lacks a part.
            Err(fault) if fault.says(request::NO_TABLE) => self.read_history(Detail::Entries).await.map(|_| Vec::new()),
            Err(fault) => Err(fault.into_error(&self.tables)),
        }
    }

    async fn ask_queries(&mut self, script: &Script, settings: &Settings) -> Result<Option<Failure>> {
        self.meet().await?;
        let limit = request::query_limit(script, settings);
        for (index, statement) in script.statements().enumerate() {
            let sql = format!("START TRANSACTION READ ONLY;\n{limit}{};\nROLLBACK", script.text_of(&statement));
            let answer = self.link.send(sql, NONE).await;
            if answer.is_err() {
                self.link.roll_back().await;
            }
            if let Some(failure) = step::unverified(answer, script, index, &statement, &self.tables)? {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }
}

/// The catalogue could not be read, or not be emptied: no fault of the history's.
fn unread(fault: Fault, tables: &Tables) -> Error {
    match fault {
        Fault::Database { cause, .. } => {
            Error::new(ErrorKind::Refused, "the catalogue of the database cannot be read").source(cause)
        }
        fault => fault.into_error(tables),
    }
}

fn foreign(tables: &Tables, why: &str) -> Error {
    let message = format!("the table {} is not a history of ours: {why}", tables.shown);
    Error::new(ErrorKind::History, message)
        .help("name another one with `--history-table`, or `.history_table(\"database.table\")` in the program")
}
