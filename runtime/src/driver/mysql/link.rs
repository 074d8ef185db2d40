//! The connection: the caller's, or one of our own, as for PostgreSQL.

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
    /// The SQL that makes the session what it was.
    pub(crate) restore: String,
    leftovers: Option<String>,
    /// Whether the table is there that tells who holds the right.
    pub(crate) has_lock: bool,
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
            restore: String::new(),
            leftovers: None,
            has_lock: false,
        }
    }

    /// The session's database; empty where none is chosen, or not known yet.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Sends a request on the connection that we act on.
    pub(crate) async fn send(&mut self, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
        answer::send(self.connection().await?, sql, keep).await
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

    /// Keeps what the session has set, by name and value.
    pub(crate) fn note_settings(&mut self, rows: &[Row]) {
        let mut set = Vec::new();
        for row in rows {
            let [Some(name), value] = [row.first(), row.get(1)].map(|it| it.cloned().flatten()) else { continue };
            let value = value.unwrap_or_default();
            match name.as_str() {
                // It cannot be set by a session.
                "max_allowed_packet" => {
                    self.packet = value.parse().unwrap_or(usize::MAX);
                    continue;
                }
                "max_statement_time" => self.has_statement_time = true,
                _ => {}
            }
            let value = match value.parse::<f64>() {
                Ok(_) => value,
                Err(_) if value.is_empty() && name != "sql_mode" => "NULL".to_owned(),
                Err(_) => literal(Dialect::Mysql, &*value),
            };
            set.push(format!("{name} = {value}"));
        }
        let database = format!("USE `{}`", self.database.replace('`', "``"));
        self.restore = format!("SET SESSION {};\n{database}", set.join(", "));
    }

    /// Closes our own connection; a caller's is given back as it was.
    pub(crate) async fn release(&mut self) {
        if let Some(sql) = self.leftovers.take()
            // A broken connection has nothing left of it.
            && tokio::time::timeout(RELEASE_PATIENCE, self.send(sql, NONE)).await.is_err()
        {
            tracing::warn!("a statement of ours still runs on the connection that was passed in: close it");
        }
        if let Some(own) = self.own.take() {
            // The server ends the session in any case.
            let _ = tokio::time::timeout(RELEASE_PATIENCE, own.close()).await;
        }
    }

    /// Drops our own connection: it is broken, or an answer is due on it that may never come.
    pub(crate) fn drop_own(&mut self) {
        self.own = None;
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

fn in_transaction() -> Error {
    Error::new(ErrorKind::Refused, "the connection is inside a transaction; nothing was run")
        .help("pass the pool, or a connection outside a transaction: our COMMIT would commit your work")
}
