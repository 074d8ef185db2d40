//! The session: the caller's, or one of our own.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::{Session, TlsContext};
use scylla::client::session_builder::SessionBuilder;

use crate::cluster::Cluster;
use crate::driver::scylla::answer::{self, Fault};
use crate::driver::scylla::client::{Client, Handle, Request};
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::table::Table;
use crate::driver::scylla::url::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::literal::literal;
use crate::table_name::TableName;
use whimbrel_core::Dialect;

pub(crate) struct Link<'a> {
    source: Source<'a>,
    name: TableName,
    pub(crate) cluster: Cluster,
    met: Option<(Client<'a>, Table)>,
}

pub(crate) enum Source<'a> {
    Session(Handle<'a>),
    Address { address: Box<Address>, tls: Option<TlsContext> },
}

/// How long a server may take to accept a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

impl<'a> Link<'a> {
    pub(crate) fn new(source: Source<'a>) -> Result<Self> {
        let name = TableName::parse(TableName::DEFAULT)?;
        let mut link = Self { source, name, cluster: Cluster::default(), met: None };
        link.treat(Cluster::default());
        Ok(link)
    }

    /// What the URL says wins.
    pub(crate) fn treat(&mut self, mut cluster: Cluster) {
        if let Source::Address { address, .. } = &self.source {
            cluster.replication = address.replication.clone().or(cluster.replication);
            cluster.level = address.level.unwrap_or(cluster.level);
            cluster.decommissioned.extend(address.decommissioned.iter().cloned());
        }
        (self.cluster, self.met) = (cluster, None);
    }

    /// Where our own sessions lead.
    pub(crate) fn address(&self) -> Option<(Address, Option<TlsContext>)> {
        match &self.source {
            Source::Session(_) => None,
            Source::Address { address, tls } => Some(((**address).clone(), tls.clone())),
        }
    }

    pub(crate) fn rename(&mut self, name: TableName) {
        (self.name, self.met) = (name, None);
    }

    /// The session, opened if it is not yet, and the table.
    pub(crate) async fn meet(&mut self) -> Result<(&Client<'a>, &Table)> {
        if self.met.is_none() {
            self.met = Some(self.open().await?);
        }
        match &self.met {
            Some((client, table)) => Ok((client, table)),
            None => Err(Error::new(ErrorKind::Connection, "no connection to the cluster")),
        }
    }

    async fn open(&self) -> Result<(Client<'a>, Table)> {
        let level = self.cluster.level;
        let (table, client) = match &self.source {
            Source::Session(session) => {
                let keyspace = session.get_keyspace();
                let table = Table::new(&self.name, keyspace.as_deref().map(String::as_str))?;
                return Ok((Client::new(session.clone(), level), table));
            }
            Source::Address { address, tls } => {
                let table = Table::new(&self.name, address.keyspace.as_deref())?;
                let session = Arc::new(connect(address, tls.clone()).await?);
                (table, Client::new(Handle::Shared(session), level))
            }
        };
        self.use_keyspace(&client, &table).await?;
        Ok((client, table))
    }

    /// The keyspace of a session of our own, in which scripts find what they do not qualify; one that is missing may
    /// be created later.
    async fn use_keyspace(&self, client: &Client<'a>, table: &Table) -> Result<()> {
        let Source::Address { address, .. } = &self.source else { return Ok(()) };
        let keyspace = address.keyspace.as_deref().unwrap_or(&table.keyspace);
        if self.cluster.replication.is_some() {
            let is_there = keyspace_is_there(client, keyspace).await;
            if !is_there.map_err(|fault| fault.into_error(table))? {
                return Ok(());
            }
        }
        match client.session().use_keyspace(keyspace, true).await.map_err(answer::unused) {
            Ok(()) => Ok(()),
            Err(fault) if fault.is_invalid() => Err(missing_keyspace(keyspace)),
            Err(fault) => Err(fault.into_error(table)),
        }
    }

    /// Creates the keyspaces of the history and of the URL, if they are missing and may be created.
    pub(crate) async fn provide_keyspaces(&mut self) -> Result<()> {
        let Some(replication) = self.cluster.replication.clone() else { return Ok(()) };
        let own = match &self.source {
            Source::Address { address, .. } => address.keyspace.clone(),
            Source::Session(_) => None,
        };
        let cluster = self.cluster.clone();
        let (client, table) = self.meet().await?;
        let broken = |fault: Fault| fault.into_error(table);
        let mut created = false;
        for keyspace in [Some(table.keyspace.clone()), own].into_iter().flatten() {
            if keyspace_is_there(client, &keyspace).await.map_err(broken)? {
                continue;
            }
            created = true;
            let at = Coordinator::near(client).await.map_err(broken)?;
            agree(client, &at, &cluster, Need::Additive).await?;
            // Until 2025.4 ScyllaDB refuses conditional writes to a table on tablets, which are its default since 6.0.
            let options = if at.server.must_avoid_tablets() { " AND tablets = {'enabled': false}" } else { "" };
            let name = keyspace.replace('"', "\"\"");
            let create = format!("CREATE KEYSPACE IF NOT EXISTS \"{name}\" WITH replication = {replication}{options}");
            match client.send(Request::new(create).to(&at.node).within(DDL_TIMEOUT)).await {
                // The look afterwards tells.
                Ok(_) | Err(Fault::Unknown(_) | Fault::Later(_)) => {}
                Err(fault) => return Err(answer::not_created(&keyspace, fault, table)),
            }
            agree(client, &at, &cluster, Need::Additive).await?;
            if !keyspace_is_there(client, &keyspace).await.map_err(broken)? {
                return Err(missing_keyspace(&keyspace));
            }
        }
        let (client, table) = (client.clone(), table.clone());
        if created { self.use_keyspace(&client, &table).await } else { Ok(()) }
    }
}

/// Whether there is a keyspace of that name.
pub(crate) async fn keyspace_is_there(client: &Client<'_>, keyspace: &str) -> Result<bool, Fault> {
    let name = literal(Dialect::Cql, keyspace);
    let select = format!("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = {name}");
    Ok(!client.send(Request::new(select)).await?.is_empty())
}

pub(crate) fn missing_keyspace(keyspace: &str) -> Error {
    let message = format!("there is no keyspace {keyspace}; nothing was run");
    let help = "create it with the replication that it needs, let it be created (`Cluster::create_keyspace`), or correct \
                the name";
    Error::new(ErrorKind::Connection, message).help(help)
}

/// How long a schema change of our own tables may take: ScyllaDB's may wait for a minute (`group0_raft_op_timeout_in_ms`).
pub(crate) const DDL_TIMEOUT: Duration = Duration::from_secs(65);

async fn connect(address: &Address, tls: Option<TlsContext>) -> Result<Session> {
    let mut builder = SessionBuilder::new()
        .known_nodes(&address.hosts)
        .connection_timeout(CONNECTION_TIMEOUT)
        .tls_context(tls)
        // Beside a node that stands still, the first session would take twice this time to open: a minute by default.
        .keepalive_interval(CONNECTION_TIMEOUT)
        .keepalive_timeout(CONNECTION_TIMEOUT)
        // We wait by ourselves, for every node.
        .auto_await_schema_agreement(false)
        .fetch_schema_metadata(false)
        .fetch_full_schema_metadata(false);
    if let Some((user, password)) = &address.user {
        builder = builder.user(user, password);
    }
    if let Some(datacenter) = &address.datacenter {
        builder = builder.prefer_datacenter(datacenter.clone());
    }
    builder.build().await.map_err(|error| answer::no_session(&error, address))
}
