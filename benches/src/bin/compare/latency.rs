//! A relay that adds to each round trip, as a network does: what is sent at once arrives at once, but later.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::Failure;

/// A running relay, or none where nothing is added.
pub(crate) struct Latency {
    port: Option<u16>,
}

impl Latency {
    /// Listens on loopback in front of a server; half of the milliseconds are added each way.
    pub(crate) async fn start(server: Option<&Url>, milliseconds: u64) -> Result<Self, Failure> {
        let Some(server) = server.filter(|_| milliseconds > 0) else { return Ok(Self { port: None }) };
        let address =
            (server.host_str().unwrap_or("127.0.0.1").to_owned(), server.port().ok_or("the URL has no port")?);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let delay = Duration::from_micros(milliseconds * 500);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&address).await else { continue };
                // Where either cannot be set, the kernel's own delay is added as well.
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(relay(from_client, to_server, delay));
                tokio::spawn(relay(from_server, to_client, delay));
            }
        });
        Ok(Self { port: Some(port) })
    }

    /// The URL through the relay.
    pub(crate) fn through(&self, mut url: Url) -> Url {
        if let Some(port) = self.port {
            url.set_port(Some(port)).expect("a server's URL has a port");
        }
        url
    }
}

async fn relay(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, bytes)) = receiver.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The other side is told that no more comes; it may be gone already.
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if sender.send((Instant::now() + delay, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}
