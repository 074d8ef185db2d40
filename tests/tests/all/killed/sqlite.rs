//! On SQLite nothing stands between a process and its file, so it is killed after a random time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use whimbrel::{Migrations, Migrator};
use whimbrel_tests::random::{Random, few_or, seed};
use whimbrel_tests::sqlite::Database;

use super::dump::{Dump, OWN, Queries};
use super::matrix::{Server, Way, block_on, go_on, starter};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/killed/sqlite");

const CATALOGUE: &[&str] = &[
    "SELECT concat(type, ' ', name, ' ', tbl_name, ' ', sql) FROM sqlite_master",
    "SELECT 'version ' || user_version FROM pragma_user_version",
    "SELECT 'journal ' || journal_mode FROM pragma_journal_mode",
    "SELECT 'integrity ' || integrity_check FROM pragma_integrity_check",
    "SELECT concat('violated ', \"table\", ' ', rowid) FROM pragma_foreign_key_check",
];

/// What a database holds.
pub(crate) fn queries() -> Queries {
    let own = OWN.map(|column| format!("'{column}'")).join(", ");
    let tables = format!(
        "SELECT 'SELECT ' || quote('row of ' || t.name) || ' || ' || (SELECT group_concat(quote(' ' || c.name || ' = ') || \
         CASE WHEN c.name IN ({own}) THEN format(' || (\"%w\" IS NULL)', c.name) \
         ELSE format(' || quote(\"%w\")', c.name) END, ' || ') FROM pragma_table_info(t.name) AS c) || \
         format(' FROM \"%w\" ORDER BY 1', t.name) FROM sqlite_master AS t \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'whimbrel_events'"
    );
    Queries { catalogue: CATALOGUE, tables }
}

/// Reads a file, without a lock that outlives this.
pub(crate) async fn dump(path: &Path) -> Dump {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let dump = Dump::of(&queries(), &mut connection).await;
    connection.close().await.unwrap();
    dump
}

/// Files with one journal or the other.
pub(super) struct Sqlite {
    pub(super) journal: &'static str,
}

impl Server for Sqlite {
    type Database = Database;

    fn directory(&self) -> &'static Path {
        Path::new(DIRECTORY)
    }

    async fn database(&self) -> Database {
        Database::create()
    }

    async fn empty(&self, database: &Database) {
        for ending in ["", "-journal", "-wal", "-shm"] {
            // Most are not there.
            let _ = fs::remove_file(format!("{}{ending}", database.path().display()));
        }
        let options = SqliteConnectOptions::new().filename(database.path()).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let sql = format!("PRAGMA journal_mode = {}", self.journal);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    fn url(&self, database: &Database) -> String {
        database.url()
    }

    async fn dump(&self, database: &Database) -> Dump {
        dump(&database.path()).await
    }
}

/// A file before a run, and after one that nobody disturbed.
struct Case {
    name: String,
    way: Way,
    before: Database,
    undisturbed: Dump,
    /// How long that took.
    time: Duration,
}

impl Case {
    async fn new(journal: &'static str, way: Way) -> Self {
        let (server, before) = (Sqlite { journal }, Database::create());
        server.empty(&before).await;
        if way == Way::Down {
            let set = Migrations::from_directory(DIRECTORY).unwrap();
            Migrator::connect(&set, &before.url()).unwrap().up().await.unwrap();
        }
        let (mut times, mut undisturbed) = (Vec::new(), None);
        for _ in 0..3 {
            let file = copy(&before);
            let starter = starter(Path::new(DIRECTORY), &file.url(), way, &[]);
            let begun = Instant::now();
            let ended = starter.run();
            times.push(begun.elapsed());
            assert!(ended[0].status.success(), "{ended:#?}");
            undisturbed = Some(dump(&file.path()).await);
        }
        let time = times.into_iter().min().unwrap();
        Self { name: format!("{journal} {way:?}"), way, before, undisturbed: undisturbed.unwrap(), time }
    }

    /// Kills a run after a while, and runs again; whether it was killed before its end.
    async fn converges(&self, after: Duration) -> bool {
        let file = copy(&self.before);
        let mut starter = starter(Path::new(DIRECTORY), &file.url(), self.way, &[]);
        starter.go();
        thread::sleep(after);
        starter.kill(0);
        let ended = starter.wait();
        let when = format!("{} after {after:?}", self.name);
        let set = Migrations::from_directory(DIRECTORY).unwrap();
        let migrator = Migrator::connect(&set, &file.url()).unwrap();
        // Nobody can tell that its runner is dead, so it is given that long.
        if let Err(error) = go_on(migrator.lock_timeout(Duration::from_millis(100)), self.way).await {
            panic!("{when}: {error:?}\nbefore: {ended:#?}");
        }
        dump(&file.path()).await.assert_equals(&self.undisturbed, 1, &when);
        !ended[0].status.success()
    }
}

fn copy(from: &Database) -> Database {
    let to = Database::create();
    fs::copy(from.path(), to.path()).unwrap();
    to
}

#[test]
fn a_run_that_is_killed_at_any_time_converges_on_sqlite() {
    let (seed, begun, each) = (seed(), Instant::now(), few_or(25, 1000));
    let random = Mutex::new(Random::of(seed));
    let killed = Mutex::new(0);
    let ways = ["delete", "wal"].into_iter().flat_map(|journal| [(journal, Way::Up), (journal, Way::Down)]);
    let one = |journal: &'static str, way: Way| {
        let case = block_on(Case::new(journal, way));
        let mut failed = 0;
        for _ in 0..each {
            let part = random.lock().unwrap().below(1100) as u32;
            let converges = || block_on(case.converges(case.time * part / 1000));
            match catch_unwind(AssertUnwindSafe(converges)) {
                Ok(in_the_middle) => *killed.lock().unwrap() += usize::from(in_the_middle),
                // It has said why.
                Err(_) => failed += 1,
            }
        }
        failed
    };
    let failed: usize = thread::scope(|scope| {
        let cases: Vec<_> = ways.map(|(journal, way)| scope.spawn(move || one(journal, way))).collect();
        cases.into_iter().map(|case| case.join().unwrap()).sum()
    });
    let (all, killed) = (4 * each, killed.into_inner().unwrap());
    println!("{killed} of {all} runs killed in {:.1} s; WHIMBREL_SEED={seed}", begun.elapsed().as_secs_f64());
    assert_eq!(failed, 0, "of {all} did not converge; what is wrong stands above; WHIMBREL_SEED={seed}");
    assert!(killed >= all / 4, "{killed} of {all} runs were killed, the others were done");
}
