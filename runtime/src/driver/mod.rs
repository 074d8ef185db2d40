//! What the engine asks of a database; one folder below answers for each.
//!
//! A driver has the `await`s and no policy: it does what a [`Step`] says, and tells how that ended.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use whimbrel_core::{Dialect, Script, Version};

use crate::backup::{Note, Right, Source};
use crate::catalogue::model::{Catalogue, Named};
use crate::doubt::{self, Thing};
use crate::error::Result;
use crate::events::Event;
use crate::history::{Entry, Head, History};
use crate::identity::Identity;
use crate::plan::Step;
use crate::reset::{Reset, Whereabouts, Wipe};
use crate::rewrite::Rewrite;
use crate::runner::Runner;
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::stopper::Observer;

#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
mod completed;
mod ended;
#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
mod entry;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod given;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "scylla"))]
mod heart;
#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
mod request;

#[cfg(any(feature = "mysql", feature = "scylla"))]
mod word;

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "scylla")]
pub(crate) mod scylla;
#[cfg(feature = "_sqlite")]
pub(crate) mod sqlite;

#[cfg(any(feature = "_sqlite", feature = "mysql", feature = "postgres"))]
use ended::rows_of;
pub(crate) use ended::{Done, Ended, Failure, Part, Stop};

/// A boxed future: boxed, so that it is compiled here and not again in the user's crate.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One target database.
pub(crate) trait Driver: Send {
    /// The language of its scripts.
    fn dialect(&self) -> Dialect;

    /// The history table, for messages.
    fn history_table(&self) -> &str;

    /// Uses this history table instead of the default one.
    fn use_history_table(&mut self, table: crate::table_name::TableName);

    /// Treats a cluster so; for other databases there is none.
    fn use_cluster(&mut self, _: crate::cluster::Cluster) {}

    /// The file of the database, where it is missing and whoever writes first will make it.
    fn absent(&self) -> Option<&Path> {
        None
    }

    /// The fast path: one request, no write; `key` is the version whose chain is asked for.
    fn head<'a>(&'a mut self, key: &'a str) -> Answer<'a, Result<Head>>;

    /// Everything that the database remembers.
    fn history(&mut self, detail: Detail) -> Answer<'_, Result<History>>;

    /// What happened, oldest first: all, or the last of it.
    fn events(&mut self, limit: Option<usize>) -> Answer<'_, Result<Vec<Event>>>;

    /// Whose session the next request meets; asked before anything runs, where a step needs a session of its own.
    fn session(&mut self) -> Answer<'_, Result<Session>> {
        Box::pin(std::future::ready(Ok(Session::Ours)))
    }

    /// Runs steps that are transactions, all of them or up to the one that stops them; a failure is recorded.
    fn transactional<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended>;

    /// Runs one step statement by statement, outside a transaction; a failure is recorded.
    fn outside<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended>;

    /// Asks the catalogue.
    fn ask<'a>(&'a mut self, thing: &'a Thing) -> Answer<'a, Result<doubt::Answer>>;

    /// Settles an entry that stands at a statement, unless somebody else is at it.
    fn resolve<'a>(&'a mut self, resolution: Resolution<'a>) -> Answer<'a, Result<(), Stop>>;

    /// Changes entries as a person says, unless somebody is at work or anything has happened since they were read.
    fn rewrite<'a>(&'a mut self, rewriting: Rewriting<'a>) -> Answer<'a, Result<(), Stop>>;

    /// Ends the session of a runner that has given no sign of life for the lease.
    fn take_over<'a>(&'a mut self, _: &'a Runner, _: Duration, _: &'a Identity) -> Answer<'a, Result<TakeOver>> {
        Box::pin(std::future::ready(Ok(TakeOver::Gone)))
    }

    /// Asks the queries of a verify script; the first that finds nothing, or fails.
    fn verify<'a>(&'a mut self, script: &'a Script, settings: &'a Settings) -> Answer<'a, Result<Option<Failure>>>;

    /// The schema as the database tells it, without our own tables.
    fn catalogue(&mut self) -> Answer<'_, Result<Catalogue>>;

    /// An empty database of the same server that nobody else has; `None` where what was passed in does not tell where
    /// that would be, and otherwise why not, as a sentence.
    fn scratch(&mut self) -> Answer<'_, Result<Option<Scratch>, String>>;

    /// The names of databases that a statement could reach by qualifying what it names.
    fn neighbours(&mut self) -> Answer<'_, Result<Vec<String>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Makes what was in a database before its first script: schemas, extensions.
    fn prepare<'a>(&'a mut self, _: &'a [Named]) -> Answer<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Drops everything in a database that was empty before.
    fn empty(&mut self) -> Answer<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Compares the schema with what these scripts make; where the schema is not understood, nothing is.
    fn compare<'a>(&'a mut self, _: &'a [(Version, Cow<'a, Script>)]) -> Answer<'a, Result<Compared>> {
        Box::pin(std::future::ready(Ok(Compared::default())))
    }

    /// Whether all nodes of a cluster have one schema, in one look.
    fn agreement(&mut self) -> Answer<'_, Agreement> {
        Box::pin(std::future::ready(Agreement::NotOne))
    }

    /// About how many rows these tables have, by the names as they are asked for; what is not known is left out.
    fn table_sizes<'a>(&'a mut self, _: &'a [String]) -> Answer<'a, Result<Sizes>> {
        Box::pin(std::future::ready(Ok(Sizes::new())))
    }

    /// What else of the database bears on a migration.
    fn circumstances(&mut self) -> Answer<'_, Result<Circumstances>> {
        Box::pin(std::future::ready(Ok(Circumstances::default())))
    }

    /// Tries for the right to back up and run. Where the database has none to give, everybody has it.
    fn backup_right(&mut self) -> Answer<'_, Result<Right>>;

    /// What there is to back up; who makes a backup may wait that long for tables.
    fn backup_source(&mut self, patience: Duration) -> Answer<'_, Result<Source>>;

    /// Writes all of the database into an empty file, whose folder is named to people as it is given, and checks it.
    /// Only where [`backup_source`](Self::backup_source) says so.
    fn copy_to<'a>(&'a mut self, _: &'a Path, _: &'a Path, _: Duration) -> Answer<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Records a backup in the events, in tables that are made where they are missing.
    fn record_backup<'a>(&'a mut self, note: Note<'a>) -> Answer<'a, Result<()>>;

    /// Where the database is, and what it is called.
    fn whereabouts(&mut self) -> Answer<'_, Result<Whereabouts>>;

    /// Drops what it is told, each by itself, and our tables, unless somebody is at work.
    fn wipe<'a>(&'a mut self, wipe: Wipe<'a>) -> Answer<'a, Result<Reset, Stop>>;

    /// Gives back what it holds, in a good state.
    fn release(&mut self) -> Answer<'_, ()>;
}

/// Whether the nodes of a cluster have one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// It is no cluster.
    NotOne,
    One,
    /// They have so many.
    Versions(usize),
    /// These do not answer, and the others agree.
    Nodes(String),
    /// Nobody says.
    Silent,
}

/// What of a database bears on a migration, as far as its dialect has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Indexes that serve nobody, each with its table.
    pub(crate) invalid_indexes: Vec<(String, String)>,
    /// Sessions whose transaction has been open for more than five minutes.
    pub(crate) long_transactions: Vec<String>,
    /// Keyspaces that keep one copy of each row in some datacenter.
    pub(crate) single_copies: Vec<String>,
}

/// About how many rows tables have, by the names that were asked for.
pub(crate) type Sizes = BTreeMap<String, u64>;

/// How a schema differs from what the scripts say.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Whether the schema is understood at all.
    pub(crate) is_understood: bool,
    pub(crate) differences: Vec<String>,
    /// Statements that were not understood.
    pub(crate) unchecked: Vec<String>,
}

/// How much of the history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Entries,
    /// With the stored scripts: for a rollback, and to show differences.
    Scripts,
}

/// Whose the session is, from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    Ours,
    /// A pooler may give each transaction another one, and ours to others in between.
    Shared,
}

/// What became of an attempt to end a silent runner's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakeOver {
    Done,
    /// Nobody is there any more who is silent; or somebody else has ended them.
    Gone,
    /// The database does not let us.
    Refused,
}

/// Steps to run, and what they assume. Outside a transaction a driver runs as many of them as it likes, from the first.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) steps: &'a [Step<'a>],
    /// The history that the plan was made from.
    pub(crate) history: &'a History,
    pub(crate) settings: &'a Settings,
    pub(crate) identity: &'a Identity,
    /// What is left of the time that may be spent waiting for others.
    pub(crate) patience: Duration,
    /// Told of a step as soon as it is done, so that a run that is dropped has told of it.
    pub(crate) tell: &'a (dyn Fn(Done) + Sync),
    /// Told of statements; and it may ask the run to stop.
    pub(crate) observer: &'a Observer<'a>,
}

/// How an entry that stands at a statement is settled.
#[derive(Debug)]
pub(crate) struct Resolution<'a> {
    pub(crate) entry: &'a Entry,
    /// The statements that are done.
    pub(crate) done: usize,
    /// The sentence for the entry and its event.
    pub(crate) why: String,
    /// The last event of the history that the entry was read from.
    pub(crate) last_event: i64,
    pub(crate) identity: &'a Identity,
}

/// A change of entries, and the history that it was made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rewriting<'a> {
    pub(crate) rewrite: &'a Rewrite,
    pub(crate) history: &'a History,
    pub(crate) identity: &'a Identity,
}
