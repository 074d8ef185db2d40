//! The connection: the caller's, one of the pool's, or our own.
//!
//! sqlx logs statements with their text, slow ones as warnings, so on a file we act on a connection of our own that
//! does not; the fast path, which sends no script, reads on one of the pool's. A database in memory lives in the pool's
//! connections: there we act on one of them, which is never closed or detached, and whatever we set on it is set back
//! before it returns, also when a run is cancelled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool, Transaction};

use crate::driver::completed::{ALL, Completed, Keep, NONE};
use crate::driver::sqlite::answer::{self, Fault};
use crate::error::{Error, ErrorKind, Result};

pub(crate) struct Link<'a> {
    source: Source<'a>,
    held: Option<Held>,
    /// The pool's connection that the fast path has read on.
    looked: Option<PoolConnection<sqlx::Sqlite>>,
    /// The SQL that gives the connection its own patience back; set once we hold it.
    patience: Option<String>,
    /// The SQL that takes back what was set for a step.
    restore: Vec<String>,
    deadline: Arc<Deadline>,
}

/// When SQLite shall give up the statement that runs; shared with its thread.
#[derive(Debug, Default)]
pub(crate) struct Deadline(Mutex<Option<Instant>>);

impl Deadline {
    pub(crate) fn set(&self, time: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|time| time <= Instant::now())
    }
}

enum Source<'a> {
    Pool(&'a SqlitePool),
    Options(Box<SqliteConnectOptions>),
    Caller(&'a mut SqliteConnection),
}

enum Held {
    Pooled(PoolConnection<sqlx::Sqlite>),
    Own(SqliteConnection),
}

/// The message and the help for a connection with a transaction open.
pub(crate) const IN_TRANSACTION: (&str, &str) = (
    "the connection is inside a transaction; nothing was run",
    "pass the pool, or a connection outside a transaction: our COMMIT would commit your work",
);

/// How long a read waits for a writer that is just committing.
const READ_PATIENCE: Duration = Duration::from_secs(30);
/// How long one `BEGIN IMMEDIATE` waits inside SQLite, where it cannot be cancelled; the engine's backoff waits longer.
const BEGIN_PATIENCE: Duration = Duration::from_millis(200);

impl<'a> Link<'a> {
    pub(crate) fn of_pool(pool: &'a SqlitePool) -> Self {
        Self {
            source: Source::Pool(pool),
            held: None,
            looked: None,
            patience: None,
            restore: Vec::new(),
            deadline: Arc::default(),
        }
    }

    pub(crate) fn of_options(options: SqliteConnectOptions) -> Self {
        Self {
            source: Source::Options(Box::new(options)),
            held: None,
            looked: None,
            patience: None,
            restore: Vec::new(),
            deadline: Arc::default(),
        }
    }

    /// # Errors
    /// The connection is inside a transaction of sqlx's: our `COMMIT` would commit the caller's work.
    pub(crate) fn of_caller(connection: &'a mut SqliteConnection) -> Result<Self> {
        if connection.is_in_transaction() {
            return Err(Error::new(ErrorKind::Refused, IN_TRANSACTION.0).help(IN_TRANSACTION.1));
        }
        Ok(Self {
            source: Source::Caller(connection),
            held: None,
            looked: None,
            patience: None,
            restore: Vec::new(),
            deadline: Arc::default(),
        })
    }

    /// Sends statements outside a transaction of ours.
    pub(crate) async fn send(&mut self, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
        let patience = SchemaPatience::new();
        loop {
            match answer::send(self.connection().await?, sql.clone(), keep).await {
                Err(fault) if fault.before.statements.is_empty() && patience.waits_for(&fault).await => {}
                answer => return answer,
            }
        }
    }

    /// Sends queries, which may be asked again as a whole.
    pub(crate) async fn read(&mut self, sql: String) -> Result<Completed, Fault> {
        read(self.connection().await?, sql).await
    }

    /// Sends the fast path's request: on one of the pool's connections, since opening our own would take longer.
    pub(crate) async fn read_first(&mut self, sql: String) -> Result<Completed, Fault> {
        if let (Source::Pool(pool), None) = (&self.source, &self.held)
            && let Some(idle) = pool.try_acquire()
        {
            match answer::send(self.looked.insert(idle), sql.clone(), ALL).await {
                Err(fault) if fault.is_busy() => {}
                answer => return answer,
            }
        }
        self.read(sql).await
    }

    /// Begins a transaction that is rolled back when it is dropped.
    pub(crate) async fn begin(&mut self) -> Result<Begun<'_>, Fault> {
        self.begin_patiently(BEGIN_PATIENCE).await
    }

    /// As [`begin`](Self::begin), where waiting is all that is left.
    pub(crate) async fn begin_patiently(&mut self, patience: Duration) -> Result<Begun<'_>, Fault> {
        self.set_patience(patience).await?;
        let deadline = Arc::clone(&self.deadline);
        let connection = self.connection().await?;
        Ok(Begun(Some(connection.begin_with("BEGIN IMMEDIATE").await?), deadline))
    }

    /// How long SQLite itself waits for other connections.
    pub(crate) async fn set_patience(&mut self, time: Duration) -> Result<(), Fault> {
        self.send(format!("PRAGMA busy_timeout = {}", time.as_millis()), NONE).await.map(drop)
    }

    /// Reads wait for a writer that is just committing, which may take long where it has written much.
    pub(crate) async fn wait_to_read(&mut self) -> Result<(), Fault> {
        self.set_patience(READ_PATIENCE).await
    }

    /// When SQLite shall give up the statement that runs.
    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Remembers what must be set back.
    pub(crate) fn remember(&mut self, sql: impl IntoIterator<Item = String>) {
        self.restore.extend(sql);
    }

    /// Takes back what was set for a step; one by one, since some of it may be refused.
    pub(crate) async fn restore(&mut self) {
        while let Some(sql) = self.restore.first().cloned() {
            // A connection that takes no PRAGMA is broken, and will say so to its next user.
            let _ = self.send(sql, NONE).await;
            // Only now: cancelled before, it is sent again when this is dropped.
            self.restore.remove(0);
        }
    }

    /// Gives the connection back as it was; a statement that still runs is interrupted.
    pub(crate) async fn release(&mut self) {
        if self.patience.is_some() {
            self.interrupt().await;
        }
        self.restore.extend(self.patience.clone());
        self.restore().await;
        (self.patience, self.looked) = (None, None);
        if let Some(Held::Own(connection)) = self.held.take() {
            // It is gone in any case.
            let _ = connection.close().await;
        }
    }

    /// Ends the statement that a run has left behind when its time was over, and takes the progress handler away.
    async fn interrupt(&mut self) {
        self.deadline.set(Some(Instant::now()));
        if let Ok(connection) = self.connection().await
            && let Ok(mut handle) = connection.lock_handle().await
        {
            handle.remove_progress_handler();
        }
        self.deadline.set(None);
    }

    pub(crate) async fn connection(&mut self) -> Result<&mut SqliteConnection, Fault> {
        let is_callers = matches!(self.source, Source::Caller(_));
        let connection = match (&mut self.source, &mut self.held) {
            (Source::Caller(connection), _) => connection,
            (_, Some(held)) => held.connection(),
            (Source::Pool(pool), held) => held.insert(hold(pool, self.looked.take()).await?).connection(),
            (Source::Options(options), held) => held.insert(open(options).await?).connection(),
        };
        if self.patience.is_none() {
            if is_callers {
                // Inside a `BEGIN` that sqlx does not know of, this fails: our `COMMIT` would commit the caller's work.
                connection.begin_with("BEGIN").await?.rollback().await?;
            }
            let before = read(connection, "PRAGMA busy_timeout".to_owned()).await?;
            let before = before.rows.into_iter().flatten().flatten().next();
            self.patience = Some(format!("PRAGMA busy_timeout = {}", before.as_deref().unwrap_or("5000")));
            let patience = format!("PRAGMA busy_timeout = {}", READ_PATIENCE.as_millis());
            read(connection, patience).await?;
            self.deadline = Arc::default();
            let (deadline, mut handle) = (Arc::clone(&self.deadline), connection.lock_handle().await?);
            // Asked every thousand instructions of SQLite's virtual machine; `false` interrupts.
            handle.set_progress_handler(1_000, move || !deadline.is_over());
        }
        Ok(connection)
    }
}

/// Sends what may be asked again as a whole.
async fn read(connection: &mut SqliteConnection, sql: String) -> Result<Completed, Fault> {
    let patience = SchemaPatience::new();
    loop {
        match answer::send(connection, sql.clone(), ALL).await {
            Err(fault) if patience.waits_for(&fault).await => {}
            answer => return answer,
        }
    }
}

/// The wait for a writer to the same database in memory that holds its schema: who reads the schema meanwhile is
/// refused at once, whatever the connection's patience (<https://sqlite.org/rescode.html#locked_sharedcache>).
struct SchemaPatience(Instant);

impl SchemaPatience {
    fn new() -> Self {
        Self(Instant::now())
    }

    /// Pauses if it is that, and worth another try.
    async fn waits_for(&self, fault: &Fault) -> bool {
        let waits = fault.is_schema_locked() && self.0.elapsed() < READ_PATIENCE;
        if waits {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waits
    }
}

/// Holds a connection of the pool where the database lives in it, else one of our own to the same file.
async fn hold(pool: &SqlitePool, looked: Option<PoolConnection<sqlx::Sqlite>>) -> Result<Held, Fault> {
    let mut pooled = match looked {
        Some(looked) => looked,
        None => acquire(pool).await?,
    };
    let listed = read(&mut pooled, "PRAGMA database_list".to_owned()).await?;
    // Its columns are a number, a name, and the file: none for a database in memory, or a temporary one.
    let mut files = listed
        .rows
        .iter()
        .filter(|row| matches!(&row[..], [_, Some(name), Some(file)] if name == "main" && !file.is_empty()));
    if files.next().is_none() {
        return Ok(Held::Pooled(pooled));
    }
    drop(pooled);
    Ok(open(&pool.connect_options()).await?)
}

/// A connection that the pool opens for us reads the schema.
async fn acquire(pool: &SqlitePool) -> Result<PoolConnection<sqlx::Sqlite>, Fault> {
    let patience = SchemaPatience::new();
    loop {
        match pool.acquire().await.map_err(Fault::from) {
            Err(fault) if patience.waits_for(&fault).await => {}
            acquired => return acquired,
        }
    }
}

async fn open(options: &SqliteConnectOptions) -> Result<Held, sqlx::Error> {
    Ok(Held::Own(options.clone().disable_statement_logging().connect().await?))
}

impl Held {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Own(connection) => connection,
        }
    }
}

/// A cancelled run: the connection's next user gets it as it was.
impl Drop for Link<'_> {
    fn drop(&mut self) {
        // The handler stays on a connection that is not ours, whose next statement is none of ours either.
        let is_own = matches!(self.held, Some(Held::Own(_)));
        self.deadline.set(is_own.then(Instant::now));
        let connection = match (&mut self.source, &mut self.held) {
            (Source::Caller(connection), _) => connection,
            (_, Some(held)) => held.connection(),
            (_, None) => return,
        };
        for sql in self.restore.drain(..).chain(self.patience.take()) {
            start(connection, sql);
        }
    }
}

/// Polled once, a statement is on its way to the connection's thread, where it runs before whatever comes next.
fn start(connection: &mut SqliteConnection, sql: String) {
    drop(Box::pin(answer::send(connection, sql, NONE)).now_or_never());
}

/// An open transaction; rolled back when it is dropped.
///
/// SQLite ends a transaction by itself on `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` and a full disk. sqlx would go on
/// believing in it, since its `ROLLBACK` fails then, and the connection would never begin a transaction again. So
/// before sqlx ends one there is always one: a `BEGIN` of ours, which fails harmlessly inside an open transaction.
pub(crate) struct Begun<'c>(Option<Transaction<'c, sqlx::Sqlite>>, Arc<Deadline>);

impl Begun<'_> {
    pub(crate) async fn send(&mut self, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
        answer::send(self.connection()?, sql, keep).await
    }

    /// When SQLite shall give up the statement that runs.
    pub(crate) fn deadline(&self) -> &Deadline {
        &self.1
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, Fault> {
        match &mut self.0 {
            Some(transaction) => Ok(transaction),
            None => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    pub(crate) async fn commit(mut self) -> Result<(), Fault> {
        match self.send("COMMIT; BEGIN".to_owned(), NONE).await {
            Ok(_) => self.end().await,
            Err(fault) => {
                self.roll_back().await;
                Err(fault)
            }
        }
    }

    async fn end(&mut self) -> Result<(), Fault> {
        match self.0.take() {
            Some(transaction) => transaction.commit().await.map_err(Fault::from),
            None => Ok(()),
        }
    }

    pub(crate) async fn roll_back(mut self) {
        drop(self.send("BEGIN".to_owned(), NONE).await);
        if let Some(transaction) = self.0.take() {
            // What cannot be rolled back now is rolled back when the connection closes.
            let _ = transaction.rollback().await;
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(transaction) = &mut self.0 {
            // It arrives before the `ROLLBACK` of sqlx's drop.
            start(transaction, "BEGIN".to_owned());
        }
    }
}
