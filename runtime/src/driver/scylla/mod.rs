//! ScyllaDB and Cassandra: no transactions, and a schema that each node learns by itself.
//!
//! Tried on Cassandra 5.0.8, on one node and on three. One partition holds the history and the right to migrate, which
//! conditional writes move; all schema changes of a run go through one node, and after each of them every node must
//! have the same schema before the next. A statement whose answer is lost is settled by what that node then says.

mod answer;
mod backup;
mod catalogue;
mod client;
mod creation;
mod doubt;
mod link;
mod nodes;
mod query;
mod record;
mod replication;
mod right;
mod scratch;
mod server;
mod statement;
mod step;
mod table;
#[cfg_attr(not(feature = "scylla-tls"), path = "no_tls.rs")]
mod tls;
mod url;
mod wipe;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use whimbrel_core::{Dialect, Script, Version};

use crate::backup::{Note, Right as BackupRight, Source as BackupSource};
use crate::catalogue::model::Catalogue;
use crate::cluster::Cluster;
use crate::database::{Database, sealed};
use crate::doubt::{Answer as Finding, Thing};
use crate::driver::scylla::answer::{Fault, Rows};
use crate::driver::scylla::client::{Handle, Request};
use crate::driver::scylla::link::{Link, Source};
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::record::{Mark, STATICS, Set};
use crate::driver::scylla::right::{Denied, Seen};
use crate::driver::scylla::step::{Known, Tally};
use crate::driver::scylla::table::Table;
use crate::driver::scylla::url::Address;
use crate::driver::{
    Agreement, Answer, Batch, Circumstances, Compared, Detail, Driver, Ended, Failure, Resolution, Rewriting, Stop,
    TakeOver,
};
use crate::error::{Error, ErrorKind, Passing, Result};
use crate::events::Event;
use crate::history::{Entry, Head, History, Holder};
use crate::identity::Identity;
use crate::report::Action;
use crate::reset::{Reset, Whereabouts, Wipe};
use crate::runner::{Runner, Work};
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::table_name::TableName;

pub(crate) struct Scylla<'a> {
    link: Link<'a>,
    /// For messages.
    shown: String,
    seen: Seen,
    /// Of the entries that are neither completed nor rolled back.
    marks: BTreeMap<String, Mark>,
}

impl<'a> Scylla<'a> {
    fn new(source: Source<'a>) -> Result<Self> {
        let link = Link::new(source)?;
        Ok(Self { link, shown: TableName::DEFAULT.to_owned(), seen: Seen::default(), marks: BTreeMap::new() })
    }
}

impl<'a> Database<'a> for &'a Session {}

impl<'a> sealed::IntoDriver<'a> for &'a Session {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Scylla::new(Source::Session(Handle::Borrowed(self)))?)))
    }
}

impl<'a> Database<'a> for &'a Arc<Session> {}

impl<'a> sealed::IntoDriver<'a> for &'a Arc<Session> {
    fn into_driver(self) -> Result<sealed::Ready<'a>> {
        Ok(sealed::Ready(Box::new(Scylla::new(Source::Session(Handle::Shared(Arc::clone(self))))?)))
    }
}

/// The driver behind a `scylla://` or `cassandra://` URL.
pub(crate) fn from_url(url: &str) -> Result<Box<dyn Driver + 'static>> {
    let address = Box::new(Address::parse(url)?);
    let tls = address.tls.as_ref().map(|tls| tls::context(tls, &address.hosts)).transpose()?;
    Ok(Box::new(Scylla::new(Source::Address { address, tls })?))
}

impl Driver for Scylla<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Cql
    }

    fn history_table(&self) -> &str {
        &self.shown
    }

    fn use_history_table(&mut self, table: TableName) {
        self.link.rename(table);
    }

    fn use_cluster(&mut self, cluster: Cluster) {
        self.link.treat(cluster);
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

    // Only a baseline.
    fn transactional<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        self.outside(batch)
    }

    fn outside<'a>(&'a mut self, batch: Batch<'a>) -> Answer<'a, Ended> {
        Box::pin(async move {
            if !batch.history.present
                && let Err(error) = self.link.provide_keyspaces().await
            {
                return Ended::stopped(Vec::new(), Stop::Broken(error));
            }
            let (seen, marks) = (&self.seen, &self.marks);
            let cluster = self.link.cluster.clone();
            match self.link.meet().await {
                Ok((client, table)) => step::run(Known { client, table, cluster: &cluster, seen, marks }, batch).await,
                Err(error) => Ended::stopped(Vec::new(), Stop::Broken(error)),
            }
        })
    }

    fn ask<'a>(&'a mut self, thing: &'a Thing) -> Answer<'a, Result<Finding>> {
        Box::pin(async move {
            let Thing::Statement { key, text } = thing else { return Ok(Finding::Unknown) };
            let mark = self.marks.get(key).cloned().unwrap_or_default();
            let cluster = self.link.cluster.clone();
            let (client, table) = self.link.meet().await?;
            doubt::ask((client, table), &cluster, &mark, text).await
        })
    }

    fn resolve<'a>(&'a mut self, resolution: Resolution<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(self.write_resolution(resolution))
    }

    fn rewrite<'a>(&'a mut self, rewriting: Rewriting<'a>) -> Answer<'a, Result<(), Stop>> {
        Box::pin(self.write_changes(rewriting))
    }

    fn take_over<'a>(
        &'a mut self,
        runner: &'a Runner,
        _: Duration,
        identity: &'a Identity,
    ) -> Answer<'a, Result<TakeOver>> {
        Box::pin(async move {
            let coordinator = runner.work.as_ref().and_then(|work| self.marks.get(&work.key)?.coordinator.clone());
            let cluster = self.link.cluster.clone();
            let seen = self.seen.clone();
            let (client, table) = self.link.meet().await?;
            if let Some(host_id) = coordinator {
                doubt::coordinator(client, &cluster, &host_id).await?;
            }
            right::take_over((client, table), &seen, runner, identity).await
        })
    }

    fn verify<'a>(&'a mut self, script: &'a Script, settings: &'a Settings) -> Answer<'a, Result<Option<Failure>>> {
        Box::pin(async move {
            let (client, table) = self.link.meet().await?;
            query::unverified(client, script, settings).await.map_err(|fault| fault.into_error(table))
        })
    }

    fn compare<'a>(&'a mut self, scripts: &'a [(Version, Cow<'a, Script>)]) -> Answer<'a, Result<Compared>> {
        Box::pin(async move {
            let (client, table) = self.link.meet().await?;
            catalogue::compare(client, scripts).await.map_err(|fault| fault.into_error(table))
        })
    }

    fn agreement(&mut self) -> Answer<'_, Agreement> {
        Box::pin(async move {
            let cluster = self.link.cluster.clone();
            match self.link.meet().await {
                Ok((client, _)) => nodes::agreement(client, &cluster).await,
                Err(_) => Agreement::Silent,
            }
        })
    }

    fn circumstances(&mut self) -> Answer<'_, Result<Circumstances>> {
        Box::pin(async move {
            let (client, table) = self.link.meet().await?;
            let single_copies = replication::single_copies(client, table).await;
            Ok(Circumstances {
                single_copies: single_copies.map_err(|fault| fault.into_error(table))?,
                ..Circumstances::default()
            })
        })
    }

    fn backup_right(&mut self) -> Answer<'_, Result<BackupRight>> {
        Box::pin(std::future::ready(Ok(backup::right())))
    }

    fn backup_source(&mut self, patience: Duration) -> Answer<'_, Result<BackupSource>> {
        Box::pin(backup::source(&mut self.link, patience))
    }

    fn record_backup<'a>(&'a mut self, note: Note<'a>) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            let seen = self.seen.clone();
            backup::record(&mut self.link, &seen, &note).await
        })
    }

    fn catalogue(&mut self) -> Answer<'_, Result<Catalogue>> {
        Box::pin(async move {
            let (client, table) = self.link.meet().await?;
            let mut found = catalogue::of_session(client).await.map_err(|fault| fault.into_error(table))?;
            if table.keyspace == client.keyspace() {
                found.forget(std::slice::from_ref(&table.name));
            }
            Ok(found)
        })
    }

    fn scratch(&mut self) -> Answer<'_, Result<Option<Scratch>, String>> {
        Box::pin(scratch::create(&mut self.link))
    }

    fn empty(&mut self) -> Answer<'_, Result<()>> {
        Box::pin(async move {
            let cluster = self.link.cluster.clone();
            let (client, table) = self.link.meet().await?;
            catalogue::empty(client, &cluster).await.map_err(|fault| fault.into_error(table))
        })
    }

    fn neighbours(&mut self) -> Answer<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let (client, table) = self.link.meet().await?;
            let names = client.send(Request::new(scratch::KEYSPACES)).await.map_err(|fault| fault.into_error(table))?;
            Ok(names.into_iter().flatten().flatten().collect())
        })
    }

    fn whereabouts(&mut self) -> Answer<'_, Result<Whereabouts>> {
        Box::pin(async move {
            let (client, table) = self.link.meet().await?;
            Ok(wipe::whereabouts(client, table))
        })
    }

    fn wipe<'a>(&'a mut self, wipe: Wipe<'a>) -> Answer<'a, Result<Reset, Stop>> {
        Box::pin(async move {
            let (seen, cluster) = (self.seen.clone(), self.link.cluster.clone());
            let (client, table) = self.link.meet().await.map_err(Stop::Broken)?;
            wipe::run((client, table), &seen, &cluster, wipe).await
        })
    }

    fn release(&mut self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Scylla<'_> {
    async fn read_head(&mut self, key: &str) -> Result<Head> {
        let (client, table) = self.link.meet().await?;
        self.shown.clone_from(&table.shown);
        let rows = match client.send(Request::new(record::head(table))).await {
            Ok(rows) => rows,
            Err(fault) if fault.is_invalid() => return Ok(Head::Absent),
            Err(fault) => return Err(fault.into_error(table)),
        };
        let Some(row) = rows.into_iter().next() else { return Ok(Head::Absent) };
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let (head, chain) = (next(), next());
        let chain = chain.filter(|_| head.as_deref() == Some(key));
        Ok(Head::Present { completed: number(next()), unfinished: number(next()), chain })
    }

    async fn read_history(&mut self, detail: Detail) -> Result<History> {
        (self.seen, self.marks) = Default::default();
        let (client, table) = self.link.meet().await?;
        self.shown.clone_from(&table.shown);
        let rows = match client.send(Request::serial(record::history(table, detail))).await {
            Ok(rows) => rows,
            Err(fault) if fault.is_invalid() => match self.without_table(fault, detail).await? {
                Some(rows) => rows,
                None => return Ok(History { holder: Holder::Nobody, ..History::default() }),
            },
            Err(fault) => return Err(fault.into_error(table)),
        };
        let (_, table) = self.link.meet().await?;
        let mut history = History { present: true, holder: Holder::Nobody, ..History::default() };
        let mut found = None;
        for mut row in rows {
            let rest = row.split_off(2 + STATICS.len());
            let statics = row;
            if rest.first().and_then(Option::as_deref).is_some_and(str::is_empty) {
                found = Some(statics);
                continue;
            }
            let mark = mark_of(&statics);
            found.get_or_insert(statics);
            let rest = if detail == Detail::Entries { [rest, vec![None, None]].concat() } else { rest };
            let entry = Entry::from_row(rest)
                .map_err(|column| foreign(table, &format!("column `{column}` holds no value of ours")))?;
            if !matches!(entry.state, crate::history::State::Completed | crate::history::State::RolledBack) {
                self.marks.insert(entry.key.clone(), mark);
            }
            history.entries.push(entry);
        }
        history.entries.sort_by(|one, other| (one.rank, &one.key).cmp(&(other.rank, &other.key)));
        if let Some(statics) = found {
            self.seen = seen_of(&statics);
            history.last_event = self.seen.last_event.unwrap_or(0);
            if self.seen.owner.is_some() {
                history.holder = Holder::Session(Box::new(runner_of(&statics, &history.entries)));
            }
        }
        Ok(history)
    }

    async fn read_events(&mut self, limit: Option<usize>) -> Result<Vec<Event>> {
        let (client, table) = self.link.meet().await?;
        match client.send(Request::serial(record::events(table, limit))).await {
            Ok(rows) => Event::from_rows(rows, &table.shown),
            // A fresh keyspace, or a table that is not ours.
            Err(fault) if fault.is_invalid() => self.read_history(Detail::Entries).await.map(|_| Vec::new()),
            Err(fault) => Err(fault.into_error(table)),
        }
    }

    /// Tells a table that is missing from one that is not ours, and from ours, which somebody else is creating: its rows
    /// are then read when all nodes know it.
    async fn without_table(&mut self, fault: Fault, detail: Detail) -> Result<Option<Rows>> {
        let cluster = self.link.cluster.clone();
        let may_create = cluster.replication.is_some();
        let (client, table) = self.link.meet().await?;
        let is_there =
            link::keyspace_is_there(client, &table.keyspace).await.map_err(|fault| fault.into_error(table))?;
        match is_there {
            false if may_create => return Ok(None),
            false => return Err(link::missing_keyspace(&table.keyspace)),
            true => {}
        }
        let found = client.send(Request::new(record::id(table))).await.map_err(|fault| fault.into_error(table))?;
        let Some(id) = found.into_iter().next().and_then(|row| row.into_iter().next().flatten()) else {
            return Ok(None);
        };
        let mut why = fault;
        if id == table.id.to_string() {
            let at = Coordinator::near(client).await.map_err(|fault| fault.into_error(table))?;
            agree(client, &at, &cluster, Need::Additive).await?;
            match client.send(Request::serial(record::history(table, detail))).await {
                Ok(rows) => return Ok(Some(rows)),
                Err(fault) if fault.is_invalid() => why = fault,
                Err(fault) => return Err(fault.into_error(table)),
            }
        }
        if why.is_missing() {
            // Somebody has created it since, or is about to: not all nodes have heard of it.
            let message = format!("the nodes do not agree whether there is a table {}; nothing was run", table.shown);
            let help = "look what keeps them apart (`nodetool describecluster`), and run it again";
            return Err(Error::new(ErrorKind::Connection, message).passes(Passing::Later).help(help));
        }
        let why = why.cause().map(ToString::to_string).unwrap_or_default();
        Err(foreign(table, &why))
    }

    async fn write_resolution(&mut self, resolution: Resolution<'_>) -> Result<(), Stop> {
        let (seen, key) = (self.seen.clone(), resolution.entry.key.clone());
        // A statement that may have been done is done again with the same time; all else is begun anew.
        let mark = self.marks.get(&key).filter(|_| resolution.done == resolution.entry.done());
        let mark = Mark { schema_before: None, coordinator: None, ..mark.cloned().unwrap_or_default() };
        let (client, table) = self.link.meet().await.map_err(Stop::Broken)?;
        let set = record::settle(&resolution, mark);
        let event = ("resolved", &*key, &*resolution.why);
        let rows = vec![record::entry(table, &key, set)];
        match right::settle((client, table), &seen, resolution.identity, event, (Set::default(), rows)).await {
            Ok(()) => Ok(()),
            Err(Denied::Broken(error)) => Err(Stop::Broken(error)),
            Err(Denied::Lost(cause)) => Err(Stop::Lost(cause)),
            Err(_) => Err(Stop::Stale),
        }
    }
}

impl Scylla<'_> {
    async fn write_changes(&mut self, rewriting: Rewriting<'_>) -> Result<(), Stop> {
        let Rewriting { rewrite, history, identity } = rewriting;
        let seen = self.seen.clone();
        let (client, table) = self.link.meet().await.map_err(Stop::Broken)?;
        let rows = rewrite.changes.iter().map(|change| record::entry(table, &change.after.key, record::change(change)));
        let statics = Tally::of(&rewrite.after(history)).set();
        let event = (rewrite.what, &*rewrite.key, &*rewrite.why);
        match right::settle((client, table), &seen, identity, event, (statics, rows.collect())).await {
            Ok(()) => Ok(()),
            Err(Denied::Broken(error)) => Err(Stop::Broken(error)),
            Err(Denied::Lost(cause)) => Err(Stop::Lost(cause)),
            Err(_) => Err(Stop::Stale),
        }
    }
}

/// The value of one of [`STATICS`], which stand behind two others.
fn column<'r>(row: &'r [Option<String>], name: &str) -> Option<&'r str> {
    let at = STATICS.iter().position(|known| *known == name)?;
    row.get(at + 2)?.as_deref()
}

fn number(row: &[Option<String>], name: &str) -> Option<i64> {
    column(row, name)?.parse().ok()
}

fn seen_of(row: &[Option<String>]) -> Seen {
    Seen {
        fence: number(row, "fence"),
        owner: column(row, "owner").map(str::to_owned),
        write_id: column(row, "write_id").map(str::to_owned),
        beat: number(row, "beat"),
        last_event: number(row, "last_event"),
        last_write_time: number(row, "last_write_time").unwrap_or(0),
    }
}

fn mark_of(row: &[Option<String>]) -> Mark {
    Mark {
        statement: number(row, "at_statement").and_then(|statement| statement.try_into().ok()),
        digest: column(row, "at_digest").map(str::to_owned),
        coordinator: column(row, "coordinator").map(str::to_owned),
        schema_before: column(row, "schema_before").map(str::to_owned),
        write_time: number(row, "write_time"),
    }
}

/// Who has the right, in their own words.
fn runner_of(row: &[Option<String>], entries: &[Entry]) -> Runner {
    let own = |name: &str| column(row, name).unwrap_or_default().to_owned();
    let session = format!("{} (fence {})", own("held_by"), own("fence"));
    let (now, written) = (row.first().cloned().flatten(), row.get(1).cloned().flatten());
    let millis = |text: Option<String>, per: i64| text.and_then(|text| text.parse::<i64>().ok()).map(|time| time / per);
    let ago = millis(now, 1).zip(millis(written, 1000)).map(|(now, written)| (now - written).max(0) as u64);
    let key = own("work_version");
    let version =
        entries.iter().find(|entry| entry.key == key).map(|entry| entry.version.clone()).or_else(|| key.parse().ok());
    let work = version.map(|version| Work {
        by: own("held_by"),
        process: own("process").parse().unwrap_or(0),
        application: own("held_application"),
        version,
        action: if own("work_direction") == "down" { Action::RollBack } else { Action::Apply },
        statement: own("work_statement").parse().unwrap_or(0),
        statements: own("work_statements").parse().unwrap_or(0),
        since: own("held_since"),
        last_sign: ago.map(Duration::from_millis),
        // Of another fence it is another sign.
        beat: number(row, "beat").zip(number(row, "fence")).map(|(beat, fence)| fence << 32 | beat & 0xffff_ffff),
        lease: number(row, "lease_ms").map(|ms| Duration::from_millis(ms.max(0) as u64)),
        key,
        end: String::new(),
    });
    Runner { session, work }
}

fn foreign(table: &Table, why: &str) -> Error {
    let message = format!("the table {} is not a history of ours: {why}", table.shown);
    Error::new(ErrorKind::History, message)
        .help("name another one with `--history-table`, or `.history_table(\"keyspace.table\")` in the program")
}
