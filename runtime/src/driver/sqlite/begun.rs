//! A transaction of ours, from its `BEGIN` to its end.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Transaction;
use sqlx::sqlite::SqliteConnection;

use crate::driver::completed::{Completed, Keep, NONE};
use crate::driver::sqlite::answer::{self, Fault, start};
use crate::driver::sqlite::deadline::Deadline;
use crate::driver::sqlite::patience::{Patience, send};

/// An open transaction; rolled back when it is dropped.
///
/// SQLite ends a transaction by itself on `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` and a full disk. sqlx would go on
/// believing in it, since its `ROLLBACK` fails then, and the connection would never begin a transaction again. So
/// before sqlx ends one there is always one: a `BEGIN` of ours, which fails harmlessly inside an open transaction.
pub(crate) struct Begun<'c> {
    /// None once it has ended.
    open: Option<Transaction<'c, sqlx::Sqlite>>,
    deadline: Arc<Deadline>,
}

impl<'c> Begun<'c> {
    pub(crate) fn new(transaction: Transaction<'c, sqlx::Sqlite>, deadline: Arc<Deadline>) -> Self {
        Self { open: Some(transaction), deadline }
    }

    pub(crate) async fn send(&mut self, sql: String, keep: Keep<'_>) -> Result<Completed, Fault> {
        answer::send(self.connection()?, sql, keep).await
    }

    /// Runs statements of a script, which may not take too long.
    pub(crate) async fn run(&mut self, sql: String, timeout: Option<Duration>) -> Result<Completed, Fault> {
        self.deadline.start(timeout);
        let answer = self.send(sql, NONE).await;
        self.deadline.set(None);
        answer
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, Fault> {
        match &mut self.open {
            Some(transaction) => Ok(transaction),
            None => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    /// Commits; whoever reads is waited for, and the transaction stays open meanwhile.
    pub(crate) async fn commit(mut self, patience: &mut Patience) -> Result<(), Fault> {
        match send(self.connection()?, patience, "COMMIT; BEGIN".to_owned(), NONE).await {
            Ok(_) => self.end().await,
            Err(fault) => {
                self.roll_back().await;
                Err(fault)
            }
        }
    }

    async fn end(&mut self) -> Result<(), Fault> {
        match self.open.take() {
            Some(transaction) => transaction.commit().await.map_err(Fault::from),
            None => Ok(()),
        }
    }

    pub(crate) async fn roll_back(mut self) {
        drop(self.send("BEGIN".to_owned(), NONE).await);
        if let Some(transaction) = self.open.take() {
            // What cannot be rolled back now is rolled back when the connection closes.
            let _ = transaction.rollback().await;
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(transaction) = &mut self.open {
            // It arrives before the `ROLLBACK` of sqlx's drop.
            start(transaction, "BEGIN".to_owned());
        }
    }
}
