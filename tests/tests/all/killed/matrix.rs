//! Each request of a run, on both sides, times each way to end the run there.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use whimbrel::{Migrations, Migrator, Report, Rollback};
use whimbrel_tests::Proxy;
use whimbrel_tests::proxy::Fault;
use whimbrel_tests::starters::Starters;

use super::dump::Dump;

/// A server whose databases a matrix spoils.
pub(crate) trait Server: Sync {
    type Database;

    /// The files of the set.
    fn directory(&self) -> &'static Path;

    /// A database for one cell after the other.
    async fn database(&self) -> Self::Database;

    /// Makes it what a run that way begins with, whatever a cell has left of it.
    async fn begin(&self, database: &Self::Database, way: Way);

    fn url(&self, database: &Self::Database) -> String;

    async fn dump(&self, database: &Self::Database) -> Dump;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    /// All but the first migration, whose tables count what runs.
    Down,
}

/// Where in a request.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The server never sees it.
    Unsent,
    /// The server gets it, and nobody is there for the answer.
    Sent,
    /// The server has answered, the client does not get the answer.
    Answered,
}

/// How the run ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// SIGKILL.
    Kill,
    /// SIGTERM, upon which the process drops its run.
    Terminate,
    /// The process lives, its connection does not.
    Cut,
}

const MOMENTS: [Moment; 3] = [Moment::Unsent, Moment::Sent, Moment::Answered];

/// How a run ends, and where in a request; a process that is told to stop differs from a killed one only where it waits.
fn ends() -> impl Iterator<Item = (Moment, Ending)> {
    let both = MOMENTS.into_iter().flat_map(|moment| [(moment, Ending::Kill), (moment, Ending::Cut)]);
    both.chain([(Moment::Sent, Ending::Terminate)])
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    way: Way,
    request: usize,
    moment: Moment,
    ending: Ending,
}

/// Cells at work at the same time: most of each is waiting.
const TOGETHER: usize = 6;
/// Longer than any cell takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs each cell of both ways, and says how many there were; an undisturbed run makes at least that many requests, up
/// and down.
pub(crate) fn matrix<S: Server>(server: &S, least: [usize; 2]) {
    let begun = Instant::now();
    let undisturbed = block_on(async {
        let database = server.database().await;
        [undisturbed(server, &database, Way::Up).await, undisturbed(server, &database, Way::Down).await]
    });
    let mut cells = Vec::new();
    for ((way, (requests, _)), least) in [Way::Up, Way::Down].into_iter().zip(&undisturbed).zip(least) {
        assert!(*requests >= least, "{way:?}: {requests} requests");
        let requests = (1..=*requests).flat_map(|request| ends().map(move |end| (request, end)));
        cells.extend(requests.map(|(request, (moment, ending))| Cell { way, request, moment, ending }));
    }
    let of = |cell: &Cell| &undisturbed[usize::from(cell.way == Way::Down)].1;
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let database = block_on(server.database());
        while let Some(cell) = cells.get(next.fetch_add(1, Relaxed)) {
            let one = async { tokio::time::timeout(PATIENCE, converges(server, &database, *cell, of(cell))).await };
            match catch_unwind(AssertUnwindSafe(|| block_on(one))) {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => eprintln!("{cell:?} takes for ever"),
                // It has said why.
                Err(_) => {}
            }
            failed.fetch_add(1, Relaxed);
        }
    };
    // A thread and a database each: to make a database for each cell would take most of the time.
    thread::scope(|scope| _ = [(); TOGETHER].map(|()| scope.spawn(work)));
    let all: usize = undisturbed.iter().map(|(requests, _)| requests).sum();
    assert_eq!(cells.len(), all * ends().count());
    assert_eq!(failed.into_inner(), 0, "cells of {} did not converge; what is wrong stands above", cells.len());
    println!("{} cells in {:.1} s, at {all} requests", cells.len(), begun.elapsed().as_secs_f64());
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(future)
}

/// How many requests a run makes that nobody disturbs, and what it leaves.
async fn undisturbed<S: Server>(server: &S, database: &S::Database, way: Way) -> (usize, Dump) {
    server.begin(database, way).await;
    let proxy = Proxy::start(&server.url(database)).await;
    let ended = starter(server.directory(), &proxy.url(), way).run();
    assert!(ended[0].status.success(), "{ended:#?}");
    (proxy.requests(), server.dump(database).await)
}

/// Ends a run, and runs again.
async fn converges<S: Server>(server: &S, database: &S::Database, cell: Cell, undisturbed: &Dump) {
    server.begin(database, cell.way).await;
    let proxy = Proxy::start(&server.url(database)).await;
    proxy.at(cell.request, fault(cell));
    let mut starter = starter(server.directory(), &proxy.url(), cell.way);
    starter.go();
    proxy.reached(cell.request).await;
    if let Moment::Answered = cell.moment {
        proxy.answered(cell.request).await;
    }
    match cell.ending {
        Ending::Kill => starter.kill(0),
        Ending::Terminate => starter.terminate(),
        Ending::Cut => {}
    }
    let ended = starter.wait();
    // What the proxy still holds of a dead client's never arrives.
    drop(proxy);

    let set = Migrations::from_directory(server.directory()).unwrap();
    let again = go_on(Migrator::connect(&set, &server.url(database)).unwrap(), cell.way).await;
    if let Err(error) = again {
        panic!("{cell:?}: {error:?}\nbefore: {ended:#?}");
    }
    server.dump(database).await.assert_equals(undisturbed, &format!("{cell:?}"));
}

/// What the proxy does to the request, so that the run can be ended there.
fn fault(cell: Cell) -> Fault {
    match (cell.ending, cell.moment) {
        (Ending::Cut, Moment::Unsent) => Fault::CutBefore,
        (Ending::Cut, Moment::Sent) => Fault::CutSent,
        (Ending::Cut, Moment::Answered) => Fault::CutBeforeAnswer,
        (_, Moment::Unsent) => Fault::HoldBefore,
        (_, Moment::Sent | Moment::Answered) => Fault::HoldAnswer,
    }
}

/// Runs again.
pub(crate) async fn go_on(mut migrator: Migrator<'_>, way: Way) -> whimbrel::Result<Report> {
    match way {
        Way::Up => migrator.up().await,
        Way::Down => migrator.down(Rollback::To("1".parse().unwrap())).await,
    }
}

/// A process that runs that way when it is let go.
pub(crate) fn starter(directory: &Path, url: &str, way: Way) -> Starters {
    let mut arguments: Vec<OsString> = vec![url.into(), directory.into()];
    match way {
        Way::Up => arguments.push("up".into()),
        Way::Down => arguments.extend(["down".into(), "1".into()]),
    }
    Starters::with(env!("CARGO_BIN_EXE_starter"), 1, &arguments)
}
