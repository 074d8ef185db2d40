//! The connection: the caller's, or one of our own, as for PostgreSQL.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _, MySqlPool};

use crate::driver::completed::{ALL, Completed, Keep, NONE, Row};
use crate::driver::mysql::answer::{self, Fault};
use crate::driver::mysql::request;
use crate::error::{Error, ErrorKind, Result};
use crate::literal::literal;
use crate::table_name::Tables;
use whimbrel_core::Dialect;

pub(crate) struct Link<'a> {
    source: Source<'a>,
    own: Option<MySqlConnection>,
    database: String,
    /// Whether a caller's session was found outside a transaction; none can begin while we borrow it.
    met: bool,
    /// The largest request that the server takes, once it is known.
    pub(crate) packet: usize,
    /// Whether the server can stop a statement that takes too long.
    pub(crate) has_statement_time: bool,
    /// The variables of the session as it was found, and the role.
    found: BTreeMap<String, String>,
    role: String,
    leftovers: Option<String>,
    /// The server's number of our session, once it is known.
    pub(crate) number: Option<u64>,
    asked: Asked,
    /// Whether the table is there that tells who holds the right.
    pub(crate) has_lock: bool,
}

/// Whether the server is at a request of ours: one whose future was dropped is never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Something,
}

/// How long the end of a run may wait for a statement that it has left behind.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

enum Source<'a> {
    Pool(&'a MySqlPool),
    Options(Box<MySqlConnectOptions>),
    Caller(&'a mut MySqlConnection),
}

impl<'a> Link<'a> {
    pub(crate) fn of_pool(pool: &'a MySqlPool) -> Self {
        let database = pool.connect_options().get_database().unwrap_or_default().to_owned();
        Self::of(Source::Pool(pool), database)
    }

    pub(crate) fn of_options(options: MySqlConnectOptions) -> Self {
        let database = options.get_database().unwrap_or_default().to_owned();
        Self::of(Source::Options(Box::new(options)), database)
    }

    /// # Errors
    /// The connection is inside a transaction of sqlx's: our `COMMIT` would commit the caller's work.
    pub(crate) fn of_caller(connection: &'a mut MySqlConnection) -> Result<Self> {
        if connection.is_in_transaction() {
            return Err(in_transaction());
        }
        Ok(Self::of(Source::Caller(connection), String::new()))
    }

    fn of(source: Source<'a>, database: String) -> Self {
        Self {
            source,
            own: None,
            database,
            met: false,
            packet: usize::MAX,
            has_statement_time: false,
            found: BTreeMap::new(),
            role: String::new(),
            leftovers: None,
            number: None,
            asked: Asked::Nothing,
            has_lock: false,
        }
    }

    /// The session's database; empty where none is chosen, or not known yet.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Sends a request on the connection that we act on.
    pub(crate) async fn send(&mut self, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
        if self.asked == Asked::Something {
            // Whoever asked has gone.
            self.renew().await;
        }
        self.connection().await?;
        self.asked = Asked::Something;
        let answer = answer::send(self.connection().await?, sql, keep).await;
        self.asked = Asked::Nothing;
        answer
    }

    /// Sends the fast path's request: on an idle connection of the pool where there is one, which costs no ping.
    pub(crate) async fn read_first(&mut self, sql: String) -> Result<Completed, Fault> {
        if let (Source::Pool(pool), None) = (&self.source, &self.own)
            && let Some(mut idle) = pool.try_acquire()
        {
            match answer::send(&mut idle, sql.clone(), ALL).await {
                Ok(answer) => return Ok(answer),
                Err(fault) if fault.says(request::NO_TABLE) => return Err(fault),
                // A stale connection.
                Err(_) => idle.close_on_drop(),
            }
        }
        self.send(sql, ALL).await
    }

    /// What must be sent before a caller's connection is given back, should the run end here.
    pub(crate) fn set_leftovers(&mut self, sql: Option<String>) {
        self.leftovers = sql.filter(|_| matches!(self.source, Source::Caller(_)));
    }

    /// Ends whatever an error left.
    pub(crate) async fn roll_back(&mut self) {
        // On an error the connection is broken, which ends its transaction as well.
        let _ = self.send("ROLLBACK;\nUNLOCK TABLES".to_owned(), NONE).await;
    }

    /// Learns the database of a caller's session, and refuses one with a transaction open that sqlx does not know of:
    /// its isolation cannot be set then (MySQL manual, 13.3.7; error 1568), which changes nothing otherwise.
    pub(crate) async fn meet(&mut self, tables: &Tables) -> Result<()> {
        if self.met || !matches!(self.source, Source::Caller(_)) {
            return Ok(());
        }
        let sql = "SELECT DATABASE();\nSET TRANSACTION READ WRITE".to_owned();
        match self.send(sql, ALL).await {
            Ok(answer) => {
                self.database = answer.into_value().unwrap_or_default();
                self.met = true;
                Ok(())
            }
            Err(fault) if fault.says("1568") => Err(in_transaction()),
            Err(fault) => Err(fault.into_error(tables)),
        }
    }

    /// Keeps the session as it is: its role, and its variables by name and value.
    pub(crate) fn note_session(&mut self, [role, number]: [Option<String>; 2], variables: &[Row]) {
        self.role = role.unwrap_or_default();
        self.number = number.and_then(|number| number.parse().ok());
        self.found = by_name(variables);
        let number = |name| self.found.get(name).and_then(|value| value.parse().ok());
        self.packet = number("max_allowed_packet").unwrap_or(usize::MAX);
        self.has_statement_time = self.found.contains_key("max_statement_time");
    }

    /// Gives a caller's session back as it was; a session of our own is not used again, where a script may have left
    /// something that no list tells of.
    pub(crate) async fn restore(&mut self) {
        // A session that was never noted was never changed.
        if !matches!(self.source, Source::Caller(_)) || self.found.is_empty() {
            return;
        }
        // On an error the connection is broken.
        let Ok(answer) = self.send(request::VARIABLES.to_owned(), ALL).await else { return };
        let now = by_name(&answer.rows);
        let differs = |(name, value): &(&String, &String)| now.get(*name) != Some(*value) && !is_passing(name);
        let changed = self.found.iter().filter(differs);
        let mut sql: Vec<String> =
            changed.map(|(name, value)| format!("SET SESSION {name} = {}", setting(value))).collect();
        // The role and the database are no variables; a role may be needed for what follows it.
        sql.insert(0, format!("SET ROLE {}", role(&self.role)));
        sql.push(format!("USE `{}`", self.database.replace('`', "``")));
        for sql in sql {
            // What a server lets nobody set back, it is left with.
            if let Err(fault) = self.send(sql, NONE).await
                && !matches!(fault, Fault::Database { .. })
            {
                return;
            }
        }
    }

    /// Closes a session of our own: the next request begins another.
    pub(crate) async fn renew(&mut self) {
        let Some(own) = self.own.take() else { return };
        let ending = async {
            match (std::mem::replace(&mut self.asked, Asked::Nothing), self.number.take(), self.options()) {
                // The server does not look whether its client is there, and would go on to the end of the statement.
                (Asked::Something, Some(number), Some(options)) => {
                    drop(own);
                    let mut beside = open(options).await?;
                    answer::send(&mut beside, format!("KILL CONNECTION {number}"), NONE).await.map(drop)
                }
                _ => {
                    // The server ends it in any case.
                    let _ = own.close().await;
                    Ok(())
                }
            }
        };
        if let Ok(Err(fault)) = tokio::time::timeout(RELEASE_PATIENCE, ending).await {
            tracing::debug!(?fault, "a statement of ours still runs");
        }
    }

    /// Closes our own connection; a caller's is given back as it was.
    pub(crate) async fn release(&mut self) {
        if let Some(sql) = self.leftovers.take() {
            let giving_back = async {
                // A broken connection has nothing left of it.
                let _ = self.send(sql, NONE).await;
                self.restore().await;
            };
            if tokio::time::timeout(RELEASE_PATIENCE, giving_back).await.is_err() {
                tracing::warn!("a statement of ours still runs on the connection that was passed in: close it");
            }
        }
        self.renew().await;
    }

    async fn connection(&mut self) -> Result<&mut MySqlConnection, Fault> {
        let options = match &mut self.source {
            Source::Caller(connection) => return Ok(connection),
            Source::Pool(pool) => (*pool.connect_options()).clone(),
            Source::Options(options) => (**options).clone(),
        };
        if self.own.is_none() {
            self.own = Some(open(options).await?);
        }
        Ok(self.own.as_mut().expect("it was opened just above"))
    }

    /// Where a connection beside it leads to the same place; a caller's does not tell.
    pub(crate) fn options(&self) -> Option<MySqlConnectOptions> {
        match &self.source {
            Source::Caller(_) => None,
            Source::Pool(pool) => Some((*pool.connect_options()).clone()),
            Source::Options(options) => Some((**options).clone()),
        }
    }
}

/// Opens a connection of our own.
pub(crate) async fn open(options: MySqlConnectOptions) -> Result<MySqlConnection, Fault> {
    // `||` means what the server's own clients mean by it.
    let quiet = options.pipes_as_concat(false).disable_statement_logging();
    let connected = quiet.connect().await;
    connected.map_err(|error| Fault::Connect { error, host: quiet.get_host().to_owned(), port: quiet.get_port() })
}

fn by_name(rows: &[Row]) -> BTreeMap<String, String> {
    let pair = |row: &Row| Some((row.first()?.clone()?, row.get(1)?.clone().unwrap_or_default()));
    rows.iter().filter_map(pair).collect()
}

/// Whether a variable changes by itself, or cannot be set.
fn is_passing(name: &str) -> bool {
    const PASSING: &[&str] = &[
        "error_count",
        "identity",
        "in_transaction",
        "insert_id",
        "last_gtid",
        "last_insert_id",
        "max_allowed_packet",
        "pseudo_thread_id",
        "rand_seed1",
        "rand_seed2",
        "timestamp",
        "warning_count",
    ];
    PASSING.contains(&name)
}

/// A value as `SHOW VARIABLES` prints it, so that `SET` reads it.
fn setting(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(_) => value.to_owned(),
        Err(_) => literal(Dialect::Mysql, value),
    }
}

/// As `CURRENT_ROLE()` prints it: MySQL quotes what it needs to, MariaDB nothing.
fn role(name: &str) -> String {
    match name {
        "" | "NONE" => "NONE".to_owned(),
        name if name.starts_with('`') => name.to_owned(),
        name => literal(Dialect::Mysql, name),
    }
}

fn in_transaction() -> Error {
    Error::new(ErrorKind::Refused, "the connection is inside a transaction; nothing was run")
        .help("pass the pool, or a connection outside a transaction: our COMMIT would commit your work")
}
