//! How large tables are, for whoever decides when to migrate.

use std::collections::BTreeMap;

use crate::driver::{Answer, Sizes};
use crate::error::Result;
use crate::migrator::{Migrator, bounded, opened};

impl Migrator<'_> {
    /// About how many rows these tables have; a table that is not there, or of which nobody knows, is left out. Reads only.
    ///
    /// Names are as statements write them, quoted where they must be. PostgreSQL, MySQL and MariaDB know a number from
    /// their statistics; SQLite counts, up to a million; ScyllaDB and Cassandra are not asked, since nothing that a
    /// migration does there locks a table.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use whimbrel::*;
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # let pool = whimbrel::sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let mut migrator = Migrator::new(&MIGRATIONS, &pool);
    /// migrator.up().await?;
    /// let sizes = migrator.table_sizes(["rooms", "nowhere"]).await?;
    /// assert_eq!(sizes.get("nowhere"), None);
    /// assert!(sizes["rooms"] > 0);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn table_sizes(
        &mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<BTreeMap<String, u64>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.boxed_table_sizes(names).await
    }

    fn boxed_table_sizes(&mut self, names: Vec<String>) -> Answer<'_, Result<Sizes>> {
        Box::pin(async move {
            let driver = opened(&mut self.driver, self.migrations)?;
            let dialect = driver.dialect();
            let sizes = bounded((self.settings.timeout, dialect), driver.table_sizes(&names)).await;
            driver.release().await;
            sizes
        })
    }
}
