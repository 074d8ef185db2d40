//! A TCP proxy in front of PostgreSQL, MySQL or Cassandra: counts requests, keeps their texts, adds a delay, cuts or
//! holds at request k, and answers instead of Cassandra.
//!
//! A *request* is what makes a client wait for the server once: a simple query, or the messages of the extended
//! protocol up to their Sync. Startups, passwords, and a Sync by itself (a pool's ping) are counted apart. A client
//! that pipelines, which sqlx does not, waits less often than this counts. All bytes pass unmodified.
//!
//! Of CQL each QUERY, PREPARE, EXECUTE and BATCH is one, on whichever connection it comes, but for that on which the
//! driver hears of events, and reads for itself how the cluster looks. The driver takes the nodes' addresses from what
//! they say of themselves, and the port from where it began: so the proxy listens at their own addresses, on one port,
//! and no request goes past it. (The crate `scylla-proxy` can make errors up as well. Its rules go by a frame's kind and
//! bytes; it neither counts requests by their text, nor cuts or holds the n-th of them on either side of the server.)
//!
//! It lives in a thread of its own, so that a test may block, or wait for processes, without stopping it.

mod cql_frames;
mod packets;
mod protocol;
mod relay;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use url::Url;

/// A running proxy; it ends, and cuts its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    url: Url,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// One request of a client, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which connection, counted from zero in the order of their arrival.
    pub connection: usize,
    /// Which of the URL's hosts it went to, counted from zero.
    pub server: usize,
    /// How it was sent.
    pub kind: Kind,
    /// The SQL or CQL; of an extended request what its Parse messages hold, so nothing for a statement prepared before.
    pub text: String,
    /// The server's answer came to its end.
    pub answered: bool,
}

/// How a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One Query message, or QUERY frame.
    Simple,
    /// Parse, Bind, Execute and their kind, up to the Sync.
    Extended,
    /// A FunctionCall.
    Function,
    /// A PREPARE frame of CQL.
    Prepare,
    /// An EXECUTE frame of CQL; its text is that which was prepared.
    Execute,
    /// A BATCH frame of CQL; its text is that of what was not prepared before.
    Batch,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server never sees it; both sides are cut.
    CutBefore,
    /// The server gets it and, at the same moment, loses its client; so does the client its server.
    CutSent,
    /// The server answers it to the end; the client loses the connection instead.
    CutBeforeAnswer,
    /// The client gets the whole answer, then loses the connection.
    CutAfterAnswer,
    /// The server never sees it; the client is told `57P01`, terminated by an administrator, and cut (PostgreSQL).
    Refuse,
    /// It waits in the proxy for [`Proxy::release`].
    HoldBefore,
    /// Its answer waits in the proxy for [`Proxy::release`].
    HoldAnswer,
    /// Its answer never comes; the connection stays (CQL).
    LoseAnswer,
    /// The server never sees it; this is the answer (CQL).
    Fail(CqlError),
    /// The server answers it, and the client gets this instead (CQL).
    FailAnswer(CqlError),
}

/// An error of a CQL server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CqlError {
    /// One that has a code and a message.
    Plain {
        /// As the protocol has it.
        code: u32,
        /// As the server words it.
        message: &'static str,
    },
    /// Too few replicas are alive.
    Unavailable,
    /// Too few replicas have answered a write of this kind, such as `CAS` or `SIMPLE`.
    WriteTimeout(&'static str),
}

impl CqlError {
    /// What Scylla says where two schema changes met; this one has not taken place.
    pub const GROUP_0_CONFLICT: Self =
        Self::Plain { code: 0x0000, message: "Failed to apply group 0 change due to concurrent modification" };
    /// What Scylla says where it cannot know.
    pub const OUTCOME_UNKNOWN: Self = Self::Plain {
        code: 0x0000,
        message: "The outcome of this statement is unknown. It may or may not have been applied",
    };
    /// Nothing has been done.
    pub const OVERLOADED: Self = Self::Plain { code: 0x1001, message: "Request was shed" };
    /// Nothing has been done.
    pub const IS_BOOTSTRAPPING: Self = Self::Plain { code: 0x1002, message: "Cannot read from a bootstrapping node" };
}

impl Proxy {
    /// Listens on a free loopback port in front of the server of a URL; in front of several nodes of Cassandra where it
    /// names them, as in `scylla://127.0.0.1,127.0.0.2:9042/`.
    ///
    /// # Panics
    /// When the URL is none or no port is free.
    pub async fn start(upstream: &str) -> Self {
        let mut url = Url::parse(upstream).expect("upstream is a URL");
        let protocol = Protocol::of(url.scheme());
        let port = url.port().unwrap_or(protocol.port());
        let hosts: Vec<String> = url.host_str().unwrap_or("127.0.0.1").split(',').map(str::to_owned).collect();
        let shared = Arc::new(Shared { protocol, ..Shared::default() });
        let (stop, stopped) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(&hosts, port, &shared, started, stopped)
        });
        let address = starting.await.expect("the proxy's thread starts");
        if protocol != Protocol::Cql {
            url.set_ip_host(address.ip()).expect("a server's URL has a host");
        }
        url.set_port(Some(address.port())).expect("a server's URL has a port");
        Self { url, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// The upstream URL with the proxy's host and port.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// How many requests arrived.
    pub fn requests(&self) -> usize {
        let state = self.shared.state();
        state.log.len() - state.counted_from
    }

    /// The requests in the order of their arrival.
    pub fn log(&self) -> Vec<Request> {
        let state = self.shared.state();
        state.log[state.counted_from..].to_vec()
    }

    /// How many sessions were begun.
    pub fn startups(&self) -> usize {
        self.shared.state().startups
    }

    /// How many messages of an authentication arrived (two for SCRAM).
    pub fn authentications(&self) -> usize {
        self.shared.state().authentications
    }

    /// How many Syncs, or OPTIONS of CQL, arrived by themselves: a pool's way to see whether a connection lives.
    pub fn pings(&self) -> usize {
        self.shared.state().pings
    }

    /// How many cancel requests arrived.
    pub fn cancels(&self) -> usize {
        self.shared.state().cancels
    }

    /// Counts from zero again, and forgets the faults to come; open connections stay.
    pub fn reset(&self) {
        self.shared.change(|state| {
            (state.startups, state.authentications, state.pings, state.cancels) = (0, 0, 0, 0);
            state.counted_from = state.log.len();
            state.faults.clear();
        });
    }

    /// From now on only requests whose text is such are counted, logged, and meet faults.
    pub fn count(&self, is_counted: impl Fn(&str) -> bool + Send + 'static) {
        self.shared.change(|state| state.counted = Counted(Box::new(is_counted)));
    }

    /// From now on nothing passes, and all connections stay.
    pub fn freeze(&self) {
        self.shared.change(|state| state.flow = Flow::Frozen);
    }

    /// Ends that; what waits goes on.
    pub fn thaw(&self) {
        self.shared.change(|state| state.flow = Flow::Free);
    }

    /// From now on each piece takes this long from client to server, and as long back.
    pub fn delay_each_way(&self, delay: Duration) {
        self.shared.change(|state| state.delay = delay);
    }

    /// Request `number`, counted from one, meets a fault.
    pub fn at(&self, number: usize, fault: Fault) {
        self.shared.change(|state| _ = state.faults.insert(state.counted_from + number, fault));
    }

    /// Waits until request `number` has arrived.
    pub async fn reached(&self, number: usize) {
        self.shared.until(|state| state.log.len() >= state.counted_from + number).await;
    }

    /// Waits until the server has answered request `number`.
    pub async fn answered(&self, number: usize) {
        self.shared
            .until(|state| state.log.get(state.counted_from + number - 1).is_some_and(|request| request.answered))
            .await;
    }

    /// Lets go of what [`Fault::HoldBefore`] and [`Fault::HoldAnswer`] hold.
    pub fn release(&self) {
        self.shared.change(|state| state.releases += 1);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.shared.change(|state| state.cuts += 1);
    }

    /// From now on new connections are closed as soon as they are made.
    pub fn refuse_connections(&self) {
        self.shared.change(|state| state.door = Door::Closed);
    }

    /// Undoes [`Proxy::refuse_connections`].
    pub fn accept_connections(&self) {
        self.shared.change(|state| state.door = Door::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed; a second one while the test unwinds would abort the process.
            let _ = thread.join();
        }
    }
}

/// What the test and the connections both see.
#[derive(Debug, Default)]
struct Shared {
    protocol: Protocol,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// What client and server speak.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    #[default]
    Postgres,
    Mysql,
    Cql,
}

impl Protocol {
    fn of(scheme: &str) -> Self {
        match scheme {
            "postgres" | "postgresql" => Self::Postgres,
            "scylla" => Self::Cql,
            _ => Self::Mysql,
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
            Self::Cql => 9042,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// All of them: a request under way when the count began again must still find its place.
    log: Vec<Request>,
    counted_from: usize,
    connections: usize,
    startups: usize,
    authentications: usize,
    pings: usize,
    cancels: usize,
    delay: Duration,
    door: Door,
    flow: Flow,
    counted: Counted,
    /// The texts of what was prepared on any connection: ids are made of them.
    prepared: HashMap<Vec<u8>, String>,
    faults: BTreeMap<usize, Fault>,
    releases: usize,
    cuts: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Door {
    #[default]
    Open,
    Closed,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Flow {
    #[default]
    Free,
    Frozen,
}

/// Whether a request with this text counts.
struct Counted(Box<dyn Fn(&str) -> bool + Send>);

impl Default for Counted {
    fn default() -> Self {
        Self(Box::new(|_| true))
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so(&self.state()) {
            changed.changed().await.expect("the sender is in self");
        }
    }
}

/// The proxy's thread: accepts until told to stop, or until the [`Proxy`] is gone.
fn run(
    hosts: &[String],
    port: u16,
    shared: &Arc<Shared>,
    started: oneshot::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listeners = listeners(hosts, shared.protocol).await;
        let address = listeners[0].local_addr().expect("a bound socket has an address");
        if started.send(address).is_err() {
            return;
        }
        // Dropped with this future, it aborts what it holds.
        let mut accepting = JoinSet::new();
        for (number, (listener, host)) in listeners.into_iter().zip(hosts).enumerate() {
            accepting.spawn(accept(listener, (number, host.clone(), port), Arc::clone(shared)));
        }
        let _ = stopped.await;
    });
}

/// One for each host, all on one port: at the nodes' own addresses where those are told to clients.
async fn listeners(hosts: &[String], protocol: Protocol) -> Vec<TcpListener> {
    let address = |host: &String| if protocol == Protocol::Cql { host.clone() } else { "127.0.0.1".to_owned() };
    let addresses: Vec<String> = hosts.iter().map(address).collect();
    for _ in 0..100 {
        let mut port = 0;
        let mut listeners = Vec::new();
        for address in &addresses {
            let Ok(listener) = TcpListener::bind((address.as_str(), port)).await else { break };
            port = listener.local_addr().expect("a bound socket has an address").port();
            listeners.push(listener);
        }
        if listeners.len() == hosts.len() {
            return listeners;
        }
    }
    panic!("no port is free at {addresses:?}")
}

async fn accept(listener: TcpListener, server: (usize, String, u16), shared: Arc<Shared>) {
    // Dropped with this future, it aborts what it holds.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.change(|state| {
            state.connections += 1;
            (state.door == Door::Open).then(|| state.connections - 1)
        });
        if let Some(number) = number {
            connections.spawn(relay::relay(client, server.clone(), number, Arc::clone(&shared)));
        }
    }
}
