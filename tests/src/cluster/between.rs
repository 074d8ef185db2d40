//! What lies between the nodes of a cluster: relays that can stop.
//!
//! Nodes know each other by the addresses 127.0.0.N, where the relays listen, and listen on 127.0.1.N themselves. Who
//! connects says with its first bytes which node it is.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::NODES;

/// Running relays; they end when dropped.
#[derive(Debug)]
pub(super) struct Between {
    port: u16,
    ways: Arc<watch::Sender<Ways>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What lies between each node and the others.
type Ways = [Way; NODES];

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Way {
    state: State,
    /// How often what was under way has been lost.
    losses: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Closed,
}

impl Between {
    /// Listens on one port of all the nodes' addresses.
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built");
        let ways = Arc::new(watch::Sender::new(Ways::default()));
        // Below those that the system gives to clients.
        let ports = (0..1000).map(|_| 12_000 + (crate::postgres::random() % 8_000) as u16);
        let (port, listeners) = runtime
            .block_on(async {
                for port in ports {
                    if let Ok(listeners) = listeners(port).await {
                        return Some((port, listeners));
                    }
                }
                None
            })
            .expect("a port is free");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn({
            let ways = Arc::clone(&ways);
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept_all(listeners, port, &ways) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self { port, ways, stop: Some(stop), thread: Some(thread) }
    }

    /// The port on which the relays listen and where the nodes must.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Nothing reaches a node any more, and nothing comes from it.
    pub(super) fn cut_off(&self, node: usize) {
        self.ways.send_modify(|ways| ways[node - 1].state = State::Closed);
    }

    /// Ends that. What they have sent each other meanwhile arrives, as it does where a network was away for a while.
    pub(super) fn heal(&self, node: usize) {
        self.ways.send_modify(|ways| ways[node - 1].state = State::Open);
    }

    /// What waits for a heal, to and from this node, is lost, with the connections on which it waits.
    pub(super) fn lose(&self, node: usize) {
        self.ways.send_modify(|ways| ways[node - 1].losses += 1);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed.
            let _ = thread.join();
        }
    }
}

async fn listeners(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for node in 1..=NODES {
        // Taken at once again, so that the node may have it.
        drop(TcpListener::bind((format!("127.0.1.{node}"), port)).await?);
        listeners.push(TcpListener::bind((format!("127.0.0.{node}"), port)).await?);
    }
    Ok(listeners)
}

async fn accept_all(listeners: Vec<TcpListener>, port: u16, ways: &watch::Sender<Ways>) {
    let mut accepting = JoinSet::new();
    for (listener, to) in listeners.into_iter().zip(1..) {
        let ways = ways.subscribe();
        accepting.spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                relays.spawn(relay(client, to, port, ways.clone()));
            }
        });
    }
    accepting.join_all().await;
}

/// Passes bytes on while the ways of both sides are open; otherwise keeps them and both connections, so that neither
/// side hears of anything.
async fn relay(mut client: TcpStream, to: usize, port: u16, mut ways: watch::Receiver<Ways>) {
    let Ok((from, first)) = introduction(&mut client).await else { return };
    let is_open = |ways: &Ways| ways[from - 1].state == State::Open && ways[to - 1].state == State::Open;
    let losses = |ways: &Ways| ways[from - 1].losses + ways[to - 1].losses;
    let lost_before = losses(&ways.borrow());
    let mut passing = pin!(async {
        let mut node = TcpStream::connect((format!("127.0.1.{to}"), port)).await?;
        client.set_nodelay(true)?;
        node.set_nodelay(true)?;
        node.write_all(&first).await?;
        copy_bidirectional(&mut client, &mut node).await
    });
    loop {
        tokio::select! {
            biased;
            _ = ways.wait_for(|ways| !is_open(ways)) => {}
            _ = &mut passing => return,
        }
        let Ok(ways) = ways.wait_for(|ways| is_open(ways) || losses(ways) > lost_before).await else { return };
        if losses(&ways) > lost_before {
            return;
        }
    }
}

/// Which node speaks: after four bytes that all begin with, and four of flags, stands the length of its address and
/// port, and the address (Cassandra's `HandshakeProtocol.Initiate`).
async fn introduction(client: &mut TcpStream) -> io::Result<(usize, Vec<u8>)> {
    let mut first = vec![0; 15];
    client.read_exact(&mut first).await?;
    match first[8..13] {
        [6, 127, 0, 0, node] if (1..=NODES).contains(&usize::from(node)) => Ok((node.into(), first)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
