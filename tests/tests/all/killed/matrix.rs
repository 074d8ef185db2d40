//! Each request of a run, on both sides, times each way to end the run there.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use whimbrel::{Migrations, Migrator, Report, Rollback};
use whimbrel_tests::Proxy;
use whimbrel_tests::cluster::alone;
use whimbrel_tests::proxy::{Fault, Request};
use whimbrel_tests::random::few_or;
use whimbrel_tests::starters::{Starters, Times};

use super::dump::Dump;

/// A server whose databases a matrix spoils.
pub(crate) trait Server: Sync {
    type Database;

    /// The files of the set.
    fn directory(&self) -> &'static Path;

    /// A database for one cell after the other.
    async fn database(&self) -> Self::Database;

    /// Empties it, whatever a run has left of it.
    async fn empty(&self, database: &Self::Database);

    fn url(&self, database: &Self::Database) -> String;

    async fn dump(&self, database: &Self::Database) -> Dump;

    /// What a run has that is to be short.
    const FEW: Few = Few::EachKill;

    /// Whether a request with this text is one at which runs end, and none of those that come as often as they like.
    fn is_counted(&self) -> fn(&str) -> bool {
        |_| true
    }

    /// Those of starters.
    fn times(&self) -> &'static Times {
        &[]
    }

    /// A migrator that need not wait for as long as in production.
    fn treat<'m>(&self, migrator: Migrator<'m>) -> Migrator<'m> {
        migrator
    }

    /// Makes it known that a runner is dead, where others would wait for a sign of life.
    async fn bury(&self, _: &Self::Database) {}

    /// Panics when something has reached the server more often than it may.
    fn assert_sent(&self, _: &[Request], _when: &str) {}
}

/// Which of the nine cells each request has in a short run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Few {
    /// A kill at each moment, and one moment of each other ending.
    EachKill,
    One,
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
const ENDINGS: [Ending; 3] = [Ending::Kill, Ending::Terminate, Ending::Cut];

#[derive(Debug, Clone, Copy)]
struct Cell {
    way: Way,
    request: usize,
    moment: Moment,
    ending: Ending,
}

/// The cells of a request: some, of which the next request has others; with `WHIMBREL_LONG` all.
fn cells(few: Few, way: Way, request: usize) -> impl Iterator<Item = Cell> {
    let of_all = |(place, moment)| ENDINGS.map(|ending| (place, moment, ending));
    let all = MOMENTS.into_iter().enumerate().flat_map(of_all).enumerate();
    let is_wanted = move |(number, (place, _, ending)): &(usize, (usize, Moment, Ending))| match (few, ending) {
        _ if few_or(0, 1) == 1 => true,
        // The next one differs in both.
        (Few::One, _) => *number == request * 4 % 9,
        (Few::EachKill, Ending::Kill) => true,
        (Few::EachKill, Ending::Cut) => (request + place).is_multiple_of(3),
        (Few::EachKill, Ending::Terminate) => (request + place + 1).is_multiple_of(3),
    };
    all.filter(is_wanted).map(move |(_, (_, moment, ending))| Cell { way, request, moment, ending })
}

/// Cells at work at the same time: most of each is waiting.
const TOGETHER: usize = 4;
/// Longer than any cell takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs each cell of both ways, and says how many there were; an undisturbed run makes at least that many requests, up
/// and down.
pub(crate) fn matrix<S: Server>(server: &S, least: [usize; 2]) {
    let _alone = block_on(alone());
    let begun = Instant::now();
    let undisturbed = block_on(async {
        let database = server.database().await;
        server.empty(&database).await;
        [undisturbed(server, &database, Way::Up).await, undisturbed(server, &database, Way::Down).await]
    });
    let of = |way: Way, (requests, _): &(usize, Dump), least: usize| {
        assert!(*requests >= least, "{way:?}: {requests} requests");
        let cells: Vec<Cell> = (1..=*requests).flat_map(|request| cells(S::FEW, way, request)).collect();
        let few = if S::FEW == Few::One { 1 } else { 5 };
        assert_eq!(cells.len(), requests * few_or(few, 9));
        cells
    };
    let [(all_up, up), (all_down, down)] = &undisturbed;
    let ups = of(Way::Up, &undisturbed[0], least[0]);
    let downs = of(Way::Down, &undisturbed[1], least[1]);
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let runtime = runtime();
        let database = runtime.block_on(server.database());
        loop {
            let number = next.fetch_add(1, Relaxed);
            // What one has brought up, the next rolls back: so each begins where an interrupted run has ended.
            let two = async {
                server.empty(&database).await;
                match ups.get(number) {
                    Some(cell) => converges(server, &database, *cell, (up, 1)).await,
                    None => _ = runs(server, &database, Way::Up).await,
                }
                if let Some(cell) = downs.get(number) {
                    converges(server, &database, *cell, (down, 2)).await;
                }
            };
            if number >= ups.len().max(downs.len()) {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async { tokio::time::timeout(PATIENCE, two).await })
            })) {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => eprintln!("{:?} or {:?} takes for ever", ups.get(number), downs.get(number)),
                // It has said why.
                Err(_) => {}
            }
            failed.fetch_add(1, Relaxed);
        }
    };
    // A thread and a database each: to make a database for each cell would take most of the time.
    thread::scope(|scope| _ = [(); TOGETHER].map(|()| scope.spawn(work)));
    let (cells, time) = (ups.len() + downs.len(), begun.elapsed().as_secs_f64());
    assert_eq!(failed.into_inner(), 0, "of {cells} cells did not converge; what is wrong stands above");
    println!("{cells} cells in {time:.1} s, at {all_up} requests up and {all_down} down");
}

/// A runtime for one thread.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// How many requests a run makes that nobody disturbs, and what it leaves.
async fn undisturbed<S: Server>(server: &S, database: &S::Database, way: Way) -> (usize, Dump) {
    let proxy = Proxy::start(&server.url(database)).await;
    proxy.count(server.is_counted());
    let ended = starter_for(server, &proxy.url(), way).run();
    assert!(ended[0].status.success(), "{ended:#?}");
    (proxy.requests(), server.dump(database).await)
}

/// Ends a run, and runs again; the dump tells of so many interruptions at the most.
async fn converges<S: Server>(server: &S, database: &S::Database, cell: Cell, undisturbed: (&Dump, usize)) {
    let proxy = Proxy::start(&server.url(database)).await;
    proxy.count(server.is_counted());
    proxy.at(cell.request, fault(cell));
    let mut starter = starter_for(server, &proxy.url(), cell.way);
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
    let mut log = proxy.log();
    // Whether one without an answer has reached the server, nobody knows.
    log.retain(|request| request.answered);
    // What the proxy still holds of a dead client's never arrives.
    drop(proxy);
    server.bury(database).await;
    let again = Proxy::start(&server.url(database)).await;
    if let Err(error) = runs_at(server, &again.url(), cell.way).await {
        panic!("{cell:?}: {error:?}\nbefore: {ended:#?}");
    }
    log.extend(again.log());
    server.assert_sent(&log, &format!("{cell:?}"));
    let (undisturbed, interruptions) = undisturbed;
    server.dump(database).await.assert_equals(undisturbed, interruptions, &format!("{cell:?}"));
}

/// Runs to the end, or back to the first migration.
pub(crate) async fn runs<S: Server>(server: &S, database: &S::Database, way: Way) -> whimbrel::Result<Report> {
    runs_at(server, &server.url(database), way).await
}

async fn runs_at<S: Server>(server: &S, url: &str, way: Way) -> whimbrel::Result<Report> {
    let set = Migrations::from_directory(server.directory()).unwrap();
    go_on(server.treat(Migrator::connect(&set, url).unwrap()), way).await
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

fn starter_for<S: Server>(server: &S, url: &str, way: Way) -> Starters {
    starter(server.directory(), url, way, server.times())
}

/// A process that runs that way when it is let go, with such times.
pub(crate) fn starter(directory: &Path, url: &str, way: Way, times: &Times) -> Starters {
    let mut arguments: Vec<OsString> = vec![url.into(), directory.into()];
    match way {
        Way::Up => arguments.push("up".into()),
        Way::Down => arguments.extend(["down".into(), "1".into()]),
    }
    Starters::with_times(env!("CARGO_BIN_EXE_starter"), 1, &arguments, times)
}
