//! The connection: the caller's, or one of our own.
//!
//! A pool's connections serve the fast path only. sqlx logs a slow request with its text, a failed chunk would poison
//! the connection for its next user, and `acquire` pings; so we act on a connection of our own, made from the pool's
//! options, and dropping it ends whatever a cancelled run left on it.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};

use crate::driver::Session;
use crate::driver::completed::{ALL, Completed, Keep, NONE, Row};
use crate::driver::postgres::answer::{self, Fault};
use crate::error::{Error, ErrorKind, Result};
use crate::literal::literal;
use crate::table_name::Tables;
use whimbrel_core::Dialect;

pub(crate) struct Link<'a> {
    source: Source<'a>,
    own: Option<PgConnection>,
    /// What a caller's session had set before us, as the SQL that sets it again.
    restore: Vec<String>,
    /// Who the session was before a script, as the SQL that makes it that again.
    identity: Vec<String>,
    /// Whether no pooler stands between us and the server, or one that leaves us our session.
    session: Option<Session>,
    /// Whether the table is there that tells who holds the right.
    has_lock: bool,
    /// Whether a caller's session was found outside a transaction; none can begin while we borrow it.
    asked: bool,
    /// The server's system cannot tell whether a client is still there.
    blind: bool,
    /// What a caller's session must be sent before it is given back.
    leftovers: Option<String>,
}

/// How long the end of a run may wait for a statement that it has left behind.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

enum Source<'a> {
    Pool(&'a PgPool),
    Options(Box<PgConnectOptions>),
    Caller(&'a mut PgConnection),
}

impl<'a> Link<'a> {
    pub(crate) fn of_pool(pool: &'a PgPool) -> Self {
        Self::of(Source::Pool(pool))
    }

    pub(crate) fn of_options(options: PgConnectOptions) -> Self {
        Self::of(Source::Options(Box::new(options)))
    }

    /// # Errors
    /// The connection is inside a transaction of sqlx's: our `COMMIT` would commit the caller's work.
    pub(crate) fn of_caller(connection: &'a mut PgConnection) -> Result<Self> {
        if connection.is_in_transaction() {
            return Err(in_transaction());
        }
        Ok(Self::of(Source::Caller(connection)))
    }

    fn of(source: Source<'a>) -> Self {
        Self {
            source,
            own: None,
            restore: Vec::new(),
            identity: Vec::new(),
            session: None,
            has_lock: false,
            asked: false,
            blind: false,
            leftovers: None,
        }
    }

    /// Whether the session is the caller's, so that what it had before must be there afterwards.
    pub(crate) fn is_callers(&self) -> bool {
        matches!(self.source, Source::Caller(_))
    }

    /// The SQL that gives a caller's session its own settings back.
    pub(crate) fn restore(&self) -> &[String] {
        &self.restore
    }

    /// The SQL that makes the session who it was.
    pub(crate) fn identity(&self) -> &[String] {
        &self.identity
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
                Err(fault) if fault.says("42P01") => return Err(fault),
                // A stale connection, or one whose last user left a failed transaction on it.
                Err(_) => idle.close_on_drop(),
            }
        }
        self.send(sql, ALL).await
    }

    /// Whether the server can be told to look, while it works, whether its client is still there: PostgreSQL 14 and
    /// newer, where its system lets it.
    pub(crate) fn server_looks_for_clients(&self) -> bool {
        let connection = match &self.source {
            Source::Caller(connection) => Some(&**connection),
            _ => self.own.as_ref(),
        };
        !self.blind && connection.and_then(PgConnection::server_version_num).is_some_and(|version| version >= 140_000)
    }

    /// The server's system cannot tell whether a client is still there.
    pub(crate) fn note_blindness(&mut self) {
        self.blind = true;
    }

    /// What must be sent before a caller's connection is given back, should the run end here.
    pub(crate) fn set_leftovers(&mut self, sql: Option<String>) {
        self.leftovers = sql.filter(|_| self.is_callers());
    }

    /// Whose the session is, as far as that is known.
    pub(crate) fn session(&self) -> Option<Session> {
        self.session
    }

    /// Keeps whose the session is.
    pub(crate) fn note_whose(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// Whether the table is there that tells who holds the right.
    pub(crate) fn has_lock(&self) -> bool {
        self.has_lock
    }

    /// A second connection to the same place; `None` beside a caller's, which does not tell where it leads.
    pub(crate) async fn second(&self) -> Result<Option<PgConnection>, Fault> {
        match self.options() {
            Some(options) => open(options).await.map(Some),
            None => Ok(None),
        }
    }

    /// Ends whatever transaction an error left.
    pub(crate) async fn roll_back(&mut self) {
        // On an error the connection is broken, which ends its transaction as well.
        let _ = self.send("ROLLBACK".to_owned(), NONE).await;
    }

    /// Refuses a caller's connection with a transaction open that sqlx does not know of; our own cannot have one.
    ///
    /// Asked by itself, before anything that could fail and spoil that transaction: it shows in the clock, since it
    /// began before this request did.
    pub(crate) async fn refuse_transaction(&mut self, tables: &Tables) -> Result<()> {
        if !self.is_callers() || self.asked {
            return Ok(());
        }
        let sql = "SELECT (transaction_timestamp() <> statement_timestamp())::text".to_owned();
        match self.send(sql, ALL).await {
            Ok(answer) if answer.rows.iter().flatten().flatten().any(|inside| inside == "true") => {
                Err(in_transaction())
            }
            Ok(_) => {
                self.asked = true;
                Ok(())
            }
            // It has failed already.
            Err(fault) if fault.says("25P02") => Err(in_transaction()),
            Err(fault) => Err(fault.into_error(tables)),
        }
    }

    /// Keeps who the session is, and what a caller's has set.
    pub(crate) fn note_session(&mut self, row: Option<&Row>) {
        let Some(row) = row else { return };
        let column = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let role =
            Some(column(2)).filter(|role| role != "none").map_or_else(|| "NONE".to_owned(), |role| quoted(&role));
        if column(5) == "true" {
            self.session = Some(Session::Ours);
        }
        self.has_lock = row.get(6).is_some_and(Option::is_some);
        self.identity = vec![format!("SET SESSION AUTHORIZATION {}", quoted(&column(1))), format!("SET ROLE {role}")];
        if !self.is_callers() {
            return;
        }
        let mut restore = self.identity.clone();
        // Unit and record separators stand between names and values.
        for setting in column(3).split('\u{1e}').filter_map(|setting| setting.split_once('\u{1f}')) {
            let [name, value] = [setting.0, setting.1].map(|text| literal(Dialect::Postgres, text));
            restore.push(format!("SELECT set_config({name}, {value}, false)"));
        }
        self.restore = restore;
    }

    /// Drops our own connection: it is broken, or an answer is due on it that may never come.
    pub(crate) fn drop_own(&mut self) {
        self.own = None;
    }

    /// Closes our own connection; a caller's is given back as it was.
    ///
    /// When the time of a run is over, a statement may still be at work. Our own connection then ends with it, and the
    /// server stops it; a caller's is waited for a moment, since nothing can be sent on it before that.
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

    async fn connection(&mut self) -> Result<&mut PgConnection, Fault> {
        if self.own.is_none()
            && let Some(options) = self.options()
        {
            self.own = Some(open(options).await?);
        }
        match &mut self.source {
            Source::Caller(connection) => Ok(connection),
            _ => Ok(self.own.as_mut().expect("it was opened just above")),
        }
    }

    /// Where our own connections lead.
    pub(crate) fn options(&self) -> Option<PgConnectOptions> {
        match &self.source {
            Source::Caller(_) => None,
            Source::Pool(pool) => Some((*pool.connect_options()).clone()),
            Source::Options(options) => Some((**options).clone()),
        }
    }
}

pub(crate) async fn open(options: PgConnectOptions) -> Result<PgConnection, Fault> {
    // PgBouncer knows no `extra_float_digits`; nothing of ours reads a float.
    let quiet = options.extra_float_digits(None).disable_statement_logging();
    let connected = quiet.connect().await;
    connected.map_err(|error| Fault::Connect { error, host: quiet.get_host().to_owned(), port: quiet.get_port() })
}

fn in_transaction() -> Error {
    Error::new(ErrorKind::Refused, "the connection is inside a transaction; nothing was run")
        .help("pass the pool, or a connection outside a transaction: our COMMIT would commit your work")
}
