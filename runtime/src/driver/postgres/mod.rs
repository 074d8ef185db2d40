//! PostgreSQL: every number of transactional steps in one request.
//!
//! The recipes were tried on PostgreSQL 15 and 18; the comments name what would break without them.

mod answer;
mod backup;
mod batch;
mod catalogue;
mod circumstances;
mod heart;
mod holders;
mod link;
mod outside;
mod pooler;
mod record;
mod request;
mod right;
mod scratch;
mod sizes;
mod wipe;

use std::time::Duration;

use whimbrel_core::{Dialect, Script};

use crate::backup::{Note, Right, Source};
use crate::catalogue::model::{Catalogue, Named};
use crate::database::{Database, sealed};
use crate::database_error::DatabaseError;
use crate::doubt::{self, Thing};
use crate::driver::completed::{ALL, NONE};
use crate::driver::{
    Answer, Batch, Circumstances, Detail, Driver, Ended, Failure, Part, Resolution, Rewriting, Session, Sizes, Stop,
    TakeOver,
};
use crate::error::{Error, ErrorKind, Passing, Result};
use crate::events::Event;
use crate::history::{Entry, Head, History};
use crate::identity::Identity;
use crate::reset::{Reset, Whereabouts, Wipe};
use crate::runner::Runner;
use crate::scratch::Scratch;
use crate::settings::{Settings, whole_millis};
use crate::table_name::{TableName, Tables};

use answer::Fault;
pub(crate) use link::Link;
use request::TONGUE;

/// The schema of the history table, unless its name says another: pinned, or a role with a schema of its own would
/// make a second history.
const SCHEMA: &str = "public";

/// The column of the session's row that names a table of ours.
const FOUND_TABLE: usize = 4;

pub(crate) struct Postgres<'a> {
    link: Link<'a>,
    tables: Tables,
}

impl<'a> Postgres<'a> {
    pub(crate) fn new(link: Link<'a>) -> Result<Self> {
        Ok(Self { link, tables: TableName::parse(TableName::DEFAULT)?.tables(SCHEMA, '"') })
    }
}

impl<'a> Database<'a> for &'a sqlx::PgPool {}

impl<'a> sealed::IntoDriver<'a> for &'a sqlx::PgPool {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Postgres::new(Link::of_pool(self))?)))
    }
}

impl<'a> Database<'a> for &'a mut sqlx::PgConnection {}

impl<'a> sealed::IntoDriver<'a> for &'a mut sqlx::PgConnection {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Postgres::new(Link::of_caller(self)?)?)))
    }
}

/// The driver behind a `postgres://` URL.
pub(crate) fn from_url(url: &str) -> Result<Box<dyn Driver + 'static>> {
    let options: sqlx::postgres::PgConnectOptions = url.parse().map_err(|error| answer::bad_url(&error))?;
    Ok(Box::new(Postgres::new(Link::of_options(options))?))
}

impl Driver for Postgres<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn history_table(&self) -> &str {
        &self.tables.shown
    }

    fn use_history_table(&mut self, table: TableName) {
        self.tables = table.tables(SCHEMA, '"');
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

    fn session(&mut self) -> Answer<'_, Result<Session>> {
        Box::pin(async move {
            let session = pooler::session(&mut self.link).await;
            session.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn transactional<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        Box::pin(async move {
            let ended = batch::run(&mut self.link, &self.tables, batch).await;
            record::failure(&mut self.link, &self.tables, &batch, &ended).await;
            ended
        })
    }

    fn outside<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        Box::pin(outside::run(&mut self.link, &self.tables, batch))
    }

    fn ask<'a>(&'a mut self, thing: &'a Thing) -> Answer<'a, Result<doubt::Answer>> {
        Box::pin(async move {
            let answer = self.link.send(request::question(thing), ALL).await;
            let rows = answer.map_err(|fault| fault.into_error(&self.tables))?.rows;
            let is_there = rows.first().and_then(|row| row.first()?.as_deref()) == Some("true");
            Ok(if is_there { doubt::Answer::Yes } else { doubt::Answer::No })
        })
    }

    fn resolve<'a>(&'a mut self, resolution: Resolution<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(async move {
            let Err(fault) = self.link.send(request::resolve(&self.tables, &resolution), NONE).await else {
                return Ok(());
            };
            self.link.roll_back().await;
            let is_busy = ["22012", "23505", "55P03"].iter().any(|code| fault.says(code));
            Err(if is_busy { Stop::Busy } else { Stop::Broken(fault.into_error(&self.tables)) })
        })
    }

    fn rewrite<'a>(&'a mut self, rewriting: Rewriting<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(async move {
            let Err(fault) = self.link.send(request::rewrite(&self.tables, &rewriting), NONE).await else {
                return Ok(());
            };
            self.link.roll_back().await;
            let is_busy = ["22012", "23505", "55P03"].iter().any(|code| fault.says(code));
            Err(if is_busy { Stop::Busy } else { Stop::Broken(fault.into_error(&self.tables)) })
        })
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
            let sizes = sizes::sizes(&mut self.link, names).await;
            sizes.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn circumstances(&mut self) -> Answer<'_, Result<Circumstances>> {
        Box::pin(async move {
            let found = circumstances::circumstances(&mut self.link).await;
            found.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn backup_right(&mut self) -> Answer<'_, Result<Right>> {
        Box::pin(async move {
            let right = backup::right(&mut self.link, &self.tables).await;
            right.map_err(|fault| fault.into_error(&self.tables))
        })
    }

    fn backup_source(&mut self, patience: Duration) -> Answer<'_, Result<Source>> {
        Box::pin(async move {
            let session = self.session().await?;
            let source = backup::source(&mut self.link, session, patience).await;
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
            self.link.refuse_transaction(&self.tables).await?;
            match self.link.send(catalogue::queries(), ALL).await {
                Ok(answer) => {
                    let mut catalogue = catalogue::catalogue(answer.rows);
                    catalogue.forget(&self.tables.in_catalogue(SCHEMA));
                    Ok(catalogue)
                }
                Err(fault) => {
                    self.link.roll_back().await;
                    Err(unread(fault, &self.tables))
                }
            }
        })
    }

    fn scratch(&mut self) -> Answer<'_, Result<Option<Scratch>, String>> {
        Box::pin(scratch::create(&mut self.link, &self.tables))
    }

    fn prepare<'a>(&'a mut self, before: &'a [Named]) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            for it in before {
                let (sort, name) = (it.sort.to_uppercase(), it.name.replace('"', "\"\""));
                let made = self.link.send(format!("CREATE {sort} IF NOT EXISTS \"{name}\""), NONE).await;
                match made {
                    // The script that needs it will say so.
                    Ok(_) | Err(Fault::Database { .. }) => {}
                    Err(fault) => return Err(fault.into_error(&self.tables)),
                }
            }
            Ok(())
        })
    }

    fn empty(&mut self) -> Answer<'_, Result<()>> {
        Box::pin(async move {
            let emptied = self.link.send(catalogue::EMPTY.to_owned(), NONE).await;
            emptied.map(drop).map_err(|fault| unread(fault, &self.tables))
        })
    }

    fn whereabouts(&mut self) -> Answer<'_, Result<Whereabouts>> {
        Box::pin(wipe::whereabouts(&mut self.link, &self.tables))
    }

    fn wipe<'a>(&'a mut self, wipe: Wipe<'a>) -> Answer<'a, Result<Reset, Stop>> {
        Box::pin(wipe::run(&mut self.link, &self.tables, wipe))
    }

    fn release(&mut self) -> Answer<'_, ()> {
        Box::pin(self.link.release())
    }
}

impl Postgres<'_> {
    async fn read_head(&mut self, key: &str) -> Result<Head> {
        self.link.refuse_transaction(&self.tables).await?;
        let sql = TONGUE.head(&self.tables, key);
        let answer = self.link.read_first(sql).await;
        let rows = match answer {
            Ok(answer) => answer.rows,
            Err(fault) if fault.says("42P01") => return Ok(Head::Absent),
            Err(fault) => return Err(self.unseen(fault)),
        };
        let mut row = rows.into_iter().next().unwrap_or_default().into_iter();
        let mut next = || row.next().flatten();
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Head::Present { completed: number(next()), unfinished: number(next()), chain: next() })
    }

    /// A look that was cut off repeats nothing when it is taken again, on another connection of ours.
    fn unseen(&mut self, fault: Fault) -> Error {
        let is_cut = matches!(fault, Fault::Broken { .. }) && !self.link.is_callers();
        let error = fault.into_error(&self.tables);
        if !is_cut {
            return error;
        }
        self.link.drop_own();
        error.passes(Passing::Soon)
    }

    async fn read_history(&mut self, detail: Detail) -> Result<History> {
        self.link.refuse_transaction(&self.tables).await?;
        let sql = request::history(&self.tables, detail);
        let answer = match self.link.send(sql, ALL).await {
            Ok(answer) => answer,
            // The first statement reads no table of ours.
            Err(fault) if fault.says("42P01") => {
                let session = fault.answer().rows.first();
                self.link.note_session(session);
                if let Some(found) = session.and_then(|row| row.get(FOUND_TABLE).cloned().flatten()) {
                    return Err(foreign(&self.tables, &format!("there is {found}, but not all that belongs to it")));
                }
                let holder = session.and_then(|row| row.first().cloned().flatten());
                let holder = right::holder(&mut self.link, &self.tables, holder, &[]).await;
                return Ok(History { holder, ..History::default() });
            }
            Err(fault) => return Err(self.unseen(fault)),
        };
        let mut rows = answer.rows.into_iter();
        let session = rows.next();
        self.link.note_session(session.as_ref());
        let holder = session.and_then(|row| row.into_iter().next().flatten());
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
        self.link.refuse_transaction(&self.tables).await?;
        match self.link.send(TONGUE.select_events(&self.tables, limit), ALL).await {
            Ok(answer) => Event::from_rows(answer.rows, &self.tables.shown),
            // A fresh database, or a history that lacks a part.
            Err(fault) if fault.says("42P01") => self.read_history(Detail::Entries).await.map(|_| Vec::new()),
            Err(fault) => Err(self.unseen(fault)),
        }
    }

    async fn ask_queries(&mut self, script: &Script, settings: &Settings) -> Result<Option<Failure>> {
        let limit = script.options().timeout.or(settings.statement_timeout).map_or(0, whole_millis);
        let lock_limit = whole_millis(script.options().lock_timeout.unwrap_or(settings.statement_lock_timeout));
        for (index, statement) in script.statements().enumerate() {
            let query = script.text_of(&statement);
            let (open, close) = request::MUST_FIND;
            let sql = format!(
                "BEGIN READ ONLY;\nSET LOCAL statement_timeout = {limit};\nSET LOCAL lock_timeout = {lock_limit};\n\
                 {open}{query}{close};\nROLLBACK;"
            );
            let Err(fault) = self.link.send(sql, NONE).await else { continue };
            let Fault::Database { error, .. } = fault else { return Err(fault.into_error(&self.tables)) };
            self.link.roll_back().await;
            let cause = if error.code() == Some(request::FOUND_NOTHING) {
                DatabaseError::found_nothing()
            } else {
                error.database_error()
            };
            let failure = Failure { part: Part::Verify(index), range: Some(statement.range()), cause, kept: 0 };
            return Ok(Some(failure));
        }
        Ok(None)
    }
}

/// The catalogue could not be read, or not be emptied: no fault of the history's.
fn unread(fault: Fault, tables: &Tables) -> Error {
    match fault {
        Fault::Database { error, .. } => {
            Error::new(ErrorKind::Refused, "the catalogue of the database cannot be read").source(error.cause)
        }
        fault => fault.into_error(tables),
    }
}

/// The history's row is not one of ours.
fn foreign(tables: &Tables, why: &str) -> Error {
    let message = format!("the table {} is not a history of ours: {why}", tables.shown);
    Error::new(ErrorKind::History, message)
        .help("name another one with `--history-table`, or `.history_table(\"schema.table\")` in the program")
}
