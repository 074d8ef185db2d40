//! Random sets met by random faults on SQLite: once what was wrong is mended, the next run makes the database what an
//! undisturbed run makes it, and each statement that writes has run once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use whimbrel::{ErrorKind, Migrations, Migrator, Report};
use whimbrel_tests::random::{Random, few_or, seed};
use whimbrel_tests::sqlite::Database;

use crate::cases::{Drop, dropped, files};

use super::dump::Dump;
use super::matrix::{Way, block_on, go_on};
use super::sqlite::queries;

// -------------------------------------------------------------------------------------------------------------- faults

/// What goes wrong in a run.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Its future is dropped.
    Dropped(Drop),
    /// Its runtime ends after so many microseconds, and everything with it.
    Aborted(u64),
    /// Another connection begins like this after so many microseconds, and stays for so many milliseconds.
    Locked(&'static str, u64, u64),
    /// A row is refused, so that its statement fails.
    Refused(&'static str),
    /// The file may grow by so many pages.
    Full(usize),
    /// All up scripts but those of the first few migrations end with a statement that fails, and which is taken out
    /// again.
    Edited(usize),
}

fn fault(random: &mut Random) -> Fault {
    match random.below(7) {
        0 => Fault::Dropped(Drop::Waiting(1 + random.below(120))),
        1 => Fault::Dropped(Drop::Woken(1 + random.below(120))),
        2 => Fault::Aborted(random.number() % 20_000),
        3 => {
            let begin = ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN; SELECT count(*) FROM ran"];
            Fault::Locked(random.one_of(&begin), random.number() % 10_000, random.number() % 300)
        }
        4 => Fault::Refused(random.one_of(&["abort", "fail", "rollback"])),
        5 => Fault::Full(random.below(12)),
        _ => Fault::Edited(random.below(4)),
    }
}

// ---------------------------------------------------------------------------------------------------------------- sets

/// Beside the migrations: whatever writes into `ran` is seen, and may be refused.
const BASE: &str = "CREATE TABLE ran (what TEXT NOT NULL);
INSERT INTO ran VALUES ('nothing yet');
CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
INSERT INTO counts VALUES (0, 0), (1, 0), (2, 0);
CREATE TABLE refused (what TEXT NOT NULL, how TEXT NOT NULL);
CREATE TRIGGER abort BEFORE INSERT ON ran WHEN EXISTS (SELECT 1 FROM refused WHERE what = new.what AND how = 'abort')
BEGIN SELECT RAISE(ABORT, 'refused'); END;
CREATE TRIGGER fail BEFORE INSERT ON ran WHEN EXISTS (SELECT 1 FROM refused WHERE what = new.what AND how = 'fail')
BEGIN SELECT RAISE(FAIL, 'refused'); END;
CREATE TRIGGER roll BEFORE INSERT ON ran WHEN EXISTS (SELECT 1 FROM refused WHERE what = new.what AND how = 'rollback')
BEGIN SELECT RAISE(ROLLBACK, 'refused'); END;";

/// Files of a set, and what its statements write into `ran`.
#[derive(Debug, Default)]
struct Set {
    files: Vec<(String, String)>,
    rows: Vec<String>,
    tables: Vec<String>,
}

impl Set {
    fn random(random: &mut Random) -> Self {
        let mut set = Self::default();
        for version in 1..=2 + random.below(4) {
            let up = set.script(random, &format!("u{version}"));
            let down = set.script(random, &format!("d{version}"));
            set.files.push((format!("{version:04}_m.up.sql"), up));
            set.files.push((format!("{version:04}_m.down.sql"), down));
            if random.below(3) == 0 {
                set.files.push((format!("{version:04}_m.verify.sql"), "SELECT 1 FROM counts WHERE id = 1;\n".into()));
            }
        }
        set
    }

    fn script(&mut self, random: &mut Random, name: &str) -> String {
        let mut text = String::new();
        let is_outside = random.below(3) == 0;
        if is_outside {
            text.push_str("-- whimbrel:no-transaction\n");
        }
        if random.below(6) == 0 {
            text.push_str("-- whimbrel:foreign-keys off\n");
        }
        // Whether a transaction of the script's own is open.
        let mut is_open = false;
        for number in 0..1 + random.below(6) {
            let name = format!("{name}_{number}");
            let statement = match random.below(if is_outside { 11 } else { 7 }) {
                8 | 9 => {
                    is_open = !is_open;
                    if is_open { "BEGIN".to_owned() } else { "COMMIT".to_owned() }
                }
                10 if !is_open => {
                    random.one_of(&["VACUUM", "ANALYZE", "PRAGMA user_version = 7", "SELECT 1"]).to_owned()
                }
                kind => self.statement(random, kind, &name),
            };
            text.push_str(&format!("{statement};\n"));
        }
        if is_open {
            text.push_str("COMMIT;\n");
        }
        text
    }

    fn statement(&mut self, random: &mut Random, kind: usize, name: &str) -> String {
        let table = (!self.tables.is_empty()).then(|| random.one_of(&self.tables));
        match (kind, table) {
            (0, _) => {
                // Of the ups only: a down script must find what it changes, whichever was rolled back before.
                if name.starts_with('u') {
                    self.tables.push(name.to_owned());
                }
                format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY, x TEXT)")
            }
            (1, Some(table)) => format!("CREATE INDEX {name} ON {table} (x)"),
            (2, Some(table)) => format!("ALTER TABLE {table} ADD COLUMN {name} TEXT DEFAULT '{name}'"),
            (3, Some(table)) => format!(
                "CREATE TRIGGER {name} AFTER INSERT ON {table} BEGIN INSERT INTO ran VALUES ('{name} fired'); END"
            ),
            (4, Some(table)) => {
                format!("INSERT INTO {table} (x) VALUES ('{name}')")
            }
            (5, _) => {
                self.rows.push(format!("{name} 17"));
                format!(
                    "INSERT INTO ran WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200) \
                     SELECT '{name} ' || i FROM n"
                )
            }
            (6, _) => format!("UPDATE counts SET n = n + 1 WHERE id = {}", random.below(3)),
            _ => {
                self.rows.push(name.to_owned());
                format!("INSERT INTO ran VALUES ('{name}')")
            }
        }
    }

    fn migrations(&self) -> Migrations {
        files("sqlite", self.files.iter().map(|(path, text)| (&**path, &**text)))
    }

    /// The same set, but that the up scripts after the first few fail in the end.
    fn broken(&self, same: usize) -> Migrations {
        let is_broken = |path: &str| path.ends_with(".up.sql") && path[..4].parse::<usize>().unwrap() > same;
        let text = |path: &str, text: &str| {
            if is_broken(path) { format!("{text}INSERT INTO nowhere VALUES (1);\n") } else { text.to_owned() }
        };
        let all: Vec<(&str, String)> = self.files.iter().map(|(path, it)| (&**path, text(path, it))).collect();
        files("sqlite", all.iter().map(|(path, text)| (*path, &**text)))
    }
}

// ---------------------------------------------------------------------------------------------------------------- runs

/// Where a run finds its database.
struct Place {
    file: Database,
    journal: SqliteJournalMode,
}

impl Place {
    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().filename(self.file.path()).create_if_missing(true);
        // Nothing here survives the machine.
        options.journal_mode(self.journal).synchronous(SqliteSynchronous::Off)
    }

    async fn connect(&self) -> SqliteConnection {
        self.options().connect().await.unwrap()
    }

    async fn execute(&self, sql: impl Into<String>) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    fn pool(&self, options: SqliteConnectOptions) -> SqlitePool {
        SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options)
    }

    async fn dump(&self) -> Dump {
        let mut connection = self.connect().await;
        let dump = Dump::of(&queries(), &mut connection).await;
        connection.close().await.unwrap();
        dump
    }
}

/// A database with what stands beside the migrations, and for the way down with all of them applied.
async fn place(set: &Migrations, way: Way, journal: SqliteJournalMode) -> Place {
    let place = Place { file: Database::create(), journal };
    place.execute(BASE).await;
    if way == Way::Down {
        let pool = place.pool(place.options());
        Migrator::new(set, &pool).up().await.unwrap();
        pool.close().await;
    }
    place
}

async fn run(migrations: &Migrations, pool: &SqlitePool, way: Way, patience: u64) -> whimbrel::Result<Report> {
    go_on(Migrator::new(migrations, pool).lock_timeout(Duration::from_millis(patience)), way).await
}

/// A run that meets a fault, which is mended afterwards; whether the fault kept it from its end.
fn disturbed(
    set: &Set,
    migrations: &Migrations,
    (place, way): (&Place, Way),
    fault: Fault,
    random: &mut Random,
) -> bool {
    let patience = random.one_of(&[20, 2_000]);
    let options = place.options();
    let ended = match fault {
        Fault::Dropped(when) => block_on(async {
            let pool = place.pool(options);
            dropped(run(migrations, &pool, way, patience), when).await
        }),
        Fault::Aborted(after) => block_on(async {
            let pool = place.pool(options);
            tokio::time::timeout(Duration::from_micros(after), run(migrations, &pool, way, patience)).await.ok()
        }),
        Fault::Locked(begin, after, long) => thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_micros(after));
                block_on(hold(place, begin, Duration::from_millis(long)));
            });
            block_on(async { Some(run(migrations, &place.pool(options), way, patience).await) })
        }),
        Fault::Refused(how) if !set.rows.is_empty() => block_on(async {
            let row = random.one_of(&set.rows);
            place.execute(format!("INSERT INTO refused VALUES ('{row}', '{how}')")).await;
            let ended = run(migrations, &place.pool(options), way, patience).await;
            place.execute("DELETE FROM refused").await;
            Some(ended)
        }),
        Fault::Full(pages) => block_on(async {
            let mut connection = place.connect().await;
            let count: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            let options = options.pragma("max_page_count", (count + pages as i64).to_string());
            Some(run(migrations, &place.pool(options), way, patience).await)
        }),
        Fault::Edited(same) if way == Way::Up => {
            block_on(async { Some(run(&set.broken(same), &place.pool(options), way, patience).await) })
        }
        Fault::Refused(_) | Fault::Edited(_) => return false,
    };
    let error = match ended {
        None => return true,
        Some(Ok(_)) => return false,
        Some(Err(error)) => error,
    };
    // Some of what would fail may be applied already, as it should be.
    let edited = matches!((fault, error.kind()), (Fault::Edited(_), ErrorKind::Changed));
    let expected = [ErrorKind::Failed, ErrorKind::Locked, ErrorKind::InDoubt, ErrorKind::Connection];
    assert!(edited || expected.contains(&error.kind()), "{fault:?}: {error:?}");
    true
}

async fn hold(place: &Place, begin: &'static str, long: Duration) {
    let mut connection = place.connect().await;
    // Whoever comes too late holds nothing.
    if sqlx::raw_sql(begin).execute(&mut connection).await.is_ok() {
        tokio::time::sleep(long).await;
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut connection).await;
    }
    let _ = connection.close().await;
}

/// A run after all faults; one that was dropped may still be at its last statement.
async fn repaired(migrations: &Migrations, place: &Place, way: Way) {
    for attempt in 0.. {
        let pool = place.pool(place.options());
        let ended = run(migrations, &pool, way, 30).await;
        pool.close().await;
        match ended {
            Ok(_) => return,
            Err(error) if attempt < 100 && matches!(error.kind(), ErrorKind::Locked | ErrorKind::InDoubt) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// One set, and faults one after the other, of which some number struck; all of it follows from the seed but for what is
/// done at the same time.
fn converges(seed: u64) -> usize {
    let mut random = Random::of(seed);
    let set = Set::random(&mut random);
    let way = random.one_of(&[Way::Up, Way::Up, Way::Down]);
    let journal = random.one_of(&[SqliteJournalMode::Delete, SqliteJournalMode::Wal]);
    let faults: Vec<Fault> = (0..1 + random.below(3)).map(|_| fault(&mut random)).collect();
    let migrations = set.migrations();
    let told = format!("WHIMBREL_SEED={seed}: {way:?} {journal:?} {faults:?}\n{:#?}", set.files);
    let one = || {
        let undisturbed = block_on(async {
            let place = place(&migrations, way, journal).await;
            repaired(&migrations, &place, way).await;
            place.dump().await
        });
        let place = block_on(place(&migrations, way, journal));
        let strikes = |fault: &&Fault| disturbed(&set, &migrations, (&place, way), **fault, &mut random);
        let struck = faults.iter().filter(strikes).count();
        block_on(repaired(&migrations, &place, way));
        block_on(place.dump()).assert_equals_but_for_failures(&undisturbed, &told);
        struck
    };
    catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(|_| panic!("{told}"))
}

/// Runs at the same time: some of them wait.
const TOGETHER: usize = 4;

#[test]
fn random_sets_with_random_faults_converge_on_sqlite() {
    let (seed, begun, runs) = (seed(), Instant::now(), few_or(300, 10_000));
    let [next, failed, struck] = [0, 0, 0].map(AtomicUsize::new);
    let work = || {
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= runs || failed.load(Relaxed) > 5 {
                break;
            }
            match catch_unwind(|| converges(seed + number as u64)) {
                Ok(faults) => struck.fetch_add(faults, Relaxed),
                Err(_) => failed.fetch_add(1, Relaxed),
            };
        }
    };
    thread::scope(|scope| _ = [(); TOGETHER].map(|()| scope.spawn(work)));
    assert_eq!(failed.into_inner(), 0, "runs that did not converge; what is wrong stands above");
    let (struck, time) = (struck.into_inner(), begun.elapsed().as_secs_f64());
    println!("{runs} runs, {struck} faults that struck, in {time:.1} s; WHIMBREL_SEED={seed}");
    assert!(struck >= runs / 2, "{struck} faults in {runs} runs");
}
