//! The connection: the caller's, one of the pool's, or our own.
//!
//! sqlx logs statements with their text, slow ones as warnings, so on a file we act on a connection of our own that
//! does not; the fast path, which sends no script, reads on one of the pool's. A database in memory lives in the pool's
//! connections: there we act on one of them, which is never closed or detached, and whatever we set on it is set back
//! before it returns, also when a run is cancelled.
//!
//! Who only looks makes no file: a look at one that is missing meets an empty database in memory instead.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

use crate::driver::completed::{ALL, Completed, Keep, NONE};
use crate::driver::sqlite::answer::{self, Fault, IN_TRANSACTION, start};
use crate::driver::sqlite::begun::Begun;
use crate::driver::sqlite::deadline::Deadline;
use crate::driver::sqlite::patience::{LOCK_WAIT, Patience, send};
use crate::error::{Error, ErrorKind, Result};

pub(crate) struct Link<'a> {
    source: Source<'a>,
    purpose: Purpose,
    held: Option<Held>,
    /// The SQL that gives the connection its own patience back; set once we hold it.
    patience: Option<String>,
    /// The SQL that takes back what was set for a step.
    restore: Vec<String>,
    deadline: Arc<Deadline>,
}

/// Whose connections there are to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    We,
    Caller,
}

/// What our own connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Look,
    Act,
}

enum Source<'a> {
    Pool(&'a SqlitePool),
    /// A file that comes into being with the first act.
    File(Box<SqliteConnectOptions>),
    Options(Box<SqliteConnectOptions>),
    Caller(&'a mut SqliteConnection),
}

enum Held {
    Pooled(PoolConnection<sqlx::Sqlite>),
    Own(SqliteConnection),
    /// To an empty database, in place of a file that is missing.
    InPlace(SqliteConnection),
}

impl<'a> Link<'a> {
    pub(crate) fn of_pool(pool: &'a SqlitePool) -> Self {
        Self::new(Source::Pool(pool))
    }

    pub(crate) fn of_options(options: SqliteConnectOptions) -> Self {
        Self::new(Source::Options(Box::new(options)))
    }

    /// A file that is made where it is missing, as soon as there is something to write.
    pub(crate) fn of_file(options: SqliteConnectOptions) -> Self {
        Self::new(Source::File(Box::new(options)))
    }

    /// # Errors
    /// The connection is inside a transaction of sqlx's: our `COMMIT` would commit the caller's work.
    pub(crate) fn of_caller(connection: &'a mut SqliteConnection) -> Result<Self> {
        if connection.is_in_transaction() {
            return Err(Error::new(ErrorKind::Refused, IN_TRANSACTION.0).help(IN_TRANSACTION.1));
        }
        Ok(Self::new(Source::Caller(connection)))
    }

    fn new(source: Source<'a>) -> Self {
        Self {
            source,
            purpose: Purpose::Look,
            held: None,
            patience: None,
            restore: Vec::new(),
            deadline: Arc::default(),
        }
    }

    /// A database in memory, with the extensions and collations that its own connections have.
    pub(crate) fn in_memory(&self) -> SqliteConnectOptions {
        let options = match &self.source {
            Source::Pool(pool) => (*pool.connect_options()).clone(),
            Source::File(options) | Source::Options(options) => (**options).clone(),
            Source::Caller(_) => SqliteConnectOptions::new(),
        };
        options.filename(":memory:").shared_cache(false).read_only(false).immutable(false)
    }

    /// The file, where it is missing and an act would make it; one in a folder that is missing nobody makes.
    pub(crate) fn absent(&self) -> Option<&Path> {
        let Source::File(options) = &self.source else { return None };
        let is_there = |path: &Path| path.try_exists().unwrap_or(true);
        let file = options.get_filename();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        (!is_there(file) && folder.is_none_or(is_there)).then_some(file)
    }

    /// From here on something is to be written: until the connection is given back, a file that is missing is made.
    pub(crate) fn act(&mut self) {
        self.purpose = Purpose::Act;
    }

    /// Leaves the empty database that stood in place of a file, once there is one or it is to be made.
    fn look_again(&mut self) {
        let is_meant = self.purpose == Purpose::Look && self.absent().is_some();
        if matches!(self.held, Some(Held::InPlace(_))) && !is_meant {
            (self.held, self.patience) = (None, None);
            self.restore.clear();
        }
    }

    /// Sends statements outside a transaction of ours.
    pub(crate) async fn send(&mut self, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
        self.send_within(&mut Patience::last(), sql, keep).await
    }

    /// As [`send`](Self::send), where others may be in the way for longer, or somebody above tries again.
    pub(crate) async fn send_within(
        &mut self,
        patience: &mut Patience,
        sql: String,
        keep: Keep<'_>,
    ) -> Result<Completed, Fault> {
        send(self.connection().await?, patience, sql, keep).await
    }

    /// Runs a statement of a script, which may not take too long.
    pub(crate) async fn run(
        &mut self,
        patience: &mut Patience,
        sql: String,
        timeout: Option<Duration>,
    ) -> Result<Completed, Fault> {
        self.deadline.start(timeout);
        let answer = self.send_within(patience, sql, NONE).await;
        self.deadline.set(None);
        answer
    }

    /// Sends queries.
    pub(crate) async fn read(&mut self, sql: String) -> Result<Completed, Fault> {
        self.send_within(&mut Patience::once(), sql, ALL).await
    }

    /// Sends the fast path's request: on one of the pool's connections, since opening our own would take longer.
    pub(crate) async fn read_first(&mut self, sql: String) -> Result<Completed, Fault> {
        if let (Source::Pool(pool), None) = (&self.source, &self.held)
            && let Some(idle) = pool.try_acquire()
        {
            return Looking::on(idle).await?.read(sql).await;
        }
        self.read(sql).await
    }

    /// The file of a database, and whether nobody's connection is left when ours is closed.
    pub(crate) async fn file(&mut self) -> Result<(Option<PathBuf>, Owner), Fault> {
        if let Some(file) = self.absent() {
            return Ok((Some(file.to_owned()), Owner::We));
        }
        let is_ours = matches!(self.source, Source::File(_) | Source::Options(_));
        let owner = if is_ours { Owner::We } else { Owner::Caller };
        let listed = self.read("PRAGMA database_list".to_owned()).await?;
        let file = listed.rows.into_iter().find_map(|row| match &row[..] {
            [_, Some(name), Some(file)] if name == "main" && !file.is_empty() => Some(PathBuf::from(file)),
            _ => None,
        });
        Ok((file, owner))
    }

    /// Begins a transaction that is rolled back when it is dropped.
    pub(crate) async fn begin(&mut self) -> Result<Begun<'_>, Fault> {
        let deadline = Arc::clone(&self.deadline);
        let transaction = self.connection().await?.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Begun::new(transaction, deadline))
    }

    /// How long SQLite itself waits during a step.
    pub(crate) async fn wait_for_step(&mut self, time: Duration) -> Result<(), Fault> {
        self.remember([wait(LOCK_WAIT)]);
        self.send(wait(time), NONE).await.map(drop)
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
        self.patience = None;
        self.purpose = Purpose::Look;
        if let Some(Held::Own(connection) | Held::InPlace(connection)) = self.held.take() {
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
        self.look_again();
        let is_callers = matches!(self.source, Source::Caller(_));
        let is_meant = self.held.is_none() && self.purpose == Purpose::Look && self.absent().is_some();
        let in_place = is_meant.then(|| self.in_memory());
        let creates = self.purpose == Purpose::Act;
        let connection = match (&mut self.source, &mut self.held) {
            (Source::Caller(connection), _) => connection,
            (_, Some(held)) => held.connection(),
            (Source::Pool(pool), held) => held.insert(hold(pool).await?).connection(),
            (Source::File(options), held) => {
                let opened = match in_place {
                    Some(empty) => Held::InPlace(empty.disable_statement_logging().connect().await?),
                    None => open(&options.clone().create_if_missing(creates)).await?,
                };
                held.insert(opened).connection()
            }
            (Source::Options(options), held) => held.insert(open(options).await?).connection(),
        };
        if self.patience.is_none() {
            if is_callers {
                // Inside a `BEGIN` that sqlx does not know of, this fails: our `COMMIT` would commit the caller's work.
                connection.begin_with("BEGIN").await?.rollback().await?;
            }
            // Before it is changed, and dropped in between.
            self.patience = Some(patience_of(connection).await?);
            answer::send(connection, wait(LOCK_WAIT), NONE).await?;
            let (deadline, mut handle) = (Arc::clone(&self.deadline), connection.lock_handle().await?);
            // Asked every thousand instructions of SQLite's virtual machine; `false` interrupts.
            handle.set_progress_handler(1_000, move || !deadline.is_over());
        }
        Ok(connection)
    }
}

/// The SQL that gives a connection back the patience which it has now.
async fn patience_of(connection: &mut SqliteConnection) -> Result<String, Fault> {
    let answer = answer::send(connection, "PRAGMA busy_timeout".to_owned(), ALL).await?;
    let time = answer.rows.into_iter().flatten().flatten().next();
    Ok(format!("PRAGMA busy_timeout = {}", time.as_deref().unwrap_or("5000")))
}

fn wait(time: Duration) -> String {
    format!("PRAGMA busy_timeout = {}", time.as_millis())
}

/// A connection of the pool that is only read from.
struct Looking {
    connection: PoolConnection<sqlx::Sqlite>,
    patience: String,
}

impl Looking {
    async fn on(mut connection: PoolConnection<sqlx::Sqlite>) -> Result<Self, Fault> {
        let patience = patience_of(&mut connection).await?;
        let mut looking = Self { connection, patience };
        answer::send(&mut looking.connection, wait(LOCK_WAIT), NONE).await?;
        Ok(looking)
    }

    async fn read(&mut self, sql: String) -> Result<Completed, Fault> {
        send(&mut self.connection, &mut Patience::once(), sql, ALL).await
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        start(&mut self.connection, std::mem::take(&mut self.patience));
    }
}

/// Holds a connection of the pool where the database lives in it, else one of our own to the same file.
async fn hold(pool: &SqlitePool) -> Result<Held, Fault> {
    let mut pooled = acquire(pool).await?;
    let listed = send(&mut pooled, &mut Patience::once(), "PRAGMA database_list".to_owned(), ALL).await?;
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
    let mut patience = Patience::once();
    loop {
        let asked = Instant::now();
        match pool.acquire().await.map_err(Fault::from) {
            Err(fault) if patience.waits_for(&fault, asked).await => {}
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
            Self::Own(connection) | Self::InPlace(connection) => connection,
        }
    }
}

/// A cancelled run: the connection's next user gets it as it was.
impl Drop for Link<'_> {
    fn drop(&mut self) {
        // The handler stays on a connection that is not ours, whose next statement is none of ours either.
        let is_own = matches!(self.held, Some(Held::Own(_) | Held::InPlace(_)));
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
