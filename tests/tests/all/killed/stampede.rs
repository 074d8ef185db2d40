//! Promise 5: twenty processes start at once, one of them perhaps dies, and each statement runs once.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use whimbrel::{Migrations, Migrator, Target};
use whimbrel_tests::cluster::alone;
use whimbrel_tests::random::{Random, few_or, seed};
use whimbrel_tests::starters::Starters;

use super::dump::Dump;
use super::matrix::{Server, Way, block_on, go_on, runtime};
use super::mysql::Mysql;
use super::postgres::Postgres;
use super::sqlite::Sqlite;

const STARTERS: usize = 20;

/// How long each waits for the others. Where nobody can tell that a runner is dead, all of it is waited before another
/// takes over; and twenty take their time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Empty,
    /// With some of the migrations applied.
    Half,
    /// On an empty database, while one of them is killed.
    Deadly,
}

fn stampede<S: Server>(server: &S) {
    let _alone = block_on(alone());
    let (seed, begun, rounds) = (seed(), Instant::now(), few_or(1, 20));
    let (mut random, runtime) = (Random::of(seed), runtime());
    let database = runtime.block_on(server.database());
    let undisturbed = runtime.block_on(undisturbed(server, &database));
    for _ in 0..rounds {
        let mut time = Duration::ZERO;
        for start in [Start::Empty, Start::Half, Start::Deadly] {
            runtime.block_on(begin(server, &database, start));
            let arguments: [OsString; 4] = [
                server.url(&database).into(),
                server.directory().into(),
                "up".into(),
                PATIENCE.as_millis().to_string().into(),
            ];
            let mut starters = Starters::with(env!("CARGO_BIN_EXE_starter"), STARTERS, &arguments);
            let running = Instant::now();
            starters.go();
            let dead = (start == Start::Deadly).then(|| random.below(STARTERS));
            if let Some(dead) = dead {
                thread::sleep(time * random.below(1000) as u32 / 1000);
                starters.kill(dead);
            }
            let ended = starters.wait();
            time = time.max(running.elapsed());
            for (number, one) in ended.iter().enumerate().filter(|(number, _)| Some(*number) != dead) {
                assert!(one.status.success(), "{start:?}, {number}: {one:#?}; WHIMBREL_SEED={seed}");
            }
            let when = format!("{start:?}; WHIMBREL_SEED={seed}");
            runtime.block_on(server.dump(&database)).assert_equals(&undisturbed, 1, &when);
        }
    }
    println!("{} stampedes in {:.1} s; WHIMBREL_SEED={seed}", 3 * rounds, begun.elapsed().as_secs_f64());
}

async fn undisturbed<S: Server>(server: &S, database: &S::Database) -> Dump {
    server.empty(database).await;
    let set = Migrations::from_directory(server.directory()).unwrap();
    go_on(Migrator::connect(&set, &server.url(database)).unwrap(), Way::Up).await.unwrap();
    server.dump(database).await
}

async fn begin<S: Server>(server: &S, database: &S::Database, start: Start) {
    server.empty(database).await;
    if start == Start::Half {
        let set = Migrations::from_directory(server.directory()).unwrap();
        let mut migrator = Migrator::connect(&set, &server.url(database)).unwrap();
        migrator.up_to(Target::Version("2".parse().unwrap())).await.unwrap();
    }
}

#[test]
fn twenty_processes_run_each_statement_once_on_postgres() {
    if let Some(server) = block_on(Postgres::new()) {
        stampede(&server);
    }
}

#[test]
fn twenty_processes_run_each_statement_once_on_mysql() {
    if let Some(server) = block_on(Mysql::new()) {
        stampede(&server);
    }
}

#[test]
fn twenty_processes_run_each_statement_once_on_sqlite() {
    stampede(&Sqlite { journal: "delete" });
}

#[test]
fn twenty_processes_run_each_statement_once_with_a_write_ahead_log() {
    stampede(&Sqlite { journal: "wal" });
}
