//! A SQLite file for each test.

use std::path::{Path, PathBuf};

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

/// A fresh database in a folder of its own; gone when dropped.
#[derive(Debug)]
pub struct Database {
    folder: TempDir,
}

impl Database {
    /// Makes the folder; the file comes into being when something connects.
    pub fn create() -> Self {
        let folder = tempfile::Builder::new().prefix("whimbrel-").tempdir().expect("a temporary folder can be made");
        Self { folder }
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A URL that creates the file.
    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path().display())
    }

    /// A URL that can only read.
    pub fn read_only_url(&self) -> String {
        format!("sqlite://{}?mode=ro", self.path().display())
    }

    /// Connects as a user's program would.
    pub async fn pool(&self) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        SqlitePool::connect_with(options).await.expect("the test's own SQLite file opens")
    }
}
