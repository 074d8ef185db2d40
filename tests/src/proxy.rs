//! A TCP proxy in front of PostgreSQL or MySQL: counts requests, keeps their texts, adds a delay, cuts or holds at
//! request k.
//!
//! A *request* is what makes a client wait for the server once: a simple query, or the messages of the extended
//! protocol up to their Sync. Startups, passwords, and a Sync by itself (a pool's ping) are counted apart. A client
//! that pipelines, which sqlx does not, waits less often than this counts. All bytes pass unmodified.
//!
//! It lives in a thread of its own, so that a test may block, or wait for processes, without stopping it.

mod packets;
mod protocol;
mod relay;

use std::collections::BTreeMap;
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
    /// How it was sent.
    pub kind: Kind,
    /// The SQL; of an extended request what its Parse messages hold, so nothing for a statement prepared before.
    pub text: String,
    /// The server's answer came to its end.
    pub answered: bool,
}

/// How a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One Query message.
    Simple,
    /// Parse, Bind, Execute and their kind, up to the Sync.
    Extended,
    /// A FunctionCall.
    Function,
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
}

impl Proxy {
    /// Listens on a free loopback port in front of the server of a URL.
    ///
    /// # Panics
    /// When the URL is none or no port is free.
    pub async fn start(upstream: &str) -> Self {
        let mut url = Url::parse(upstream).expect("upstream is a URL");
        let protocol = if url.scheme().starts_with("postgres") { Protocol::Postgres } else { Protocol::Mysql };
        let server = (url.host_str().unwrap_or("127.0.0.1").to_owned(), url.port().unwrap_or(protocol.port()));
        let shared = Arc::new(Shared { protocol, ..Shared::default() });
        let (stop, stopped) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(server, &shared, started, stopped)
        });
        let address = starting.await.expect("the proxy's thread starts");
        url.set_ip_host(address.ip()).expect("a server's URL has a host");
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

    /// How many Syncs arrived by themselves: a pool's way to see whether a connection lives.
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
#[derive(Debug, Default, Clone, Copy)]
enum Protocol {
    #[default]
    Postgres,
    Mysql,
}

impl Protocol {
    fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
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
    server: (String, u16),
    shared: &Arc<Shared>,
    started: oneshot::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        if started.send(address).is_err() {
            return;
        }
        tokio::select! {
            () = accept(&listener, &server, shared) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: &TcpListener, server: &(String, u16), shared: &Arc<Shared>) {
    // Dropped with this future, it aborts what it holds.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.change(|state| {
            state.connections += 1;
            (state.door == Door::Open).then(|| state.connections - 1)
        });
        if let Some(number) = number {
            connections.spawn(relay::relay(client, server.clone(), number, Arc::clone(shared)));
        }
    }
}
