//! One connection: two readers that understand, two writers that wait.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

use super::protocol::{Frames, Message, Opening, Phase, terminated};
use super::{Fault, Flow, Kind, Protocol, Request, Shared};

mod cql;
mod mysql;

/// Relays until one side ends, or the proxy cuts. Both sockets are closed when this returns.
pub(super) async fn relay(client: TcpStream, server: (usize, String, u16), number: usize, shared: Arc<Shared>) {
    let (server_number, host, port) = server;
    let Ok(server) = TcpStream::connect((host, port)).await else { return };
    // Without it the kernel would add a delay of its own.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let (from_client, into_client) = client.into_split();
    let (from_server, into_server) = server.into_split();
    let (to_client, client_queue) = mpsc::unbounded_channel();
    let (to_server, server_queue) = mpsc::unbounded_channel();
    let session = Arc::new(Session::default());
    let cuts = shared.state().cuts;

    let requests = Requests {
        connection: number,
        server: server_number,
        flight: Flight::default(),
        to_server: Lane { queue: to_server, shared: Arc::clone(&shared) },
        to_client: Lane { queue: to_client.clone(), shared: Arc::clone(&shared) },
        session: Arc::clone(&session),
        shared: Arc::clone(&shared),
    };
    let answers = Answers {
        held: Vec::new(),
        to_client: Lane { queue: to_client, shared: Arc::clone(&shared) },
        session,
        shared: Arc::clone(&shared),
    };
    let reading = async {
        match shared.protocol {
            Protocol::Postgres => tokio::try_join!(requests.read(from_client), answers.read(from_server)),
            Protocol::Mysql => tokio::try_join!(requests.read_packets(from_client), answers.read_packets(from_server)),
            Protocol::Cql => tokio::try_join!(requests.read_frames(from_client), answers.read_frames(from_server)),
        }
    };
    let to_server = write(into_server, server_queue, &shared);
    let to_client = write(into_client, client_queue, &shared);
    let both = async { tokio::try_join!(reading, to_server, to_client) };
    tokio::select! {
        _ = both => {}
        () = shared.until(|state| state.cuts > cuts) => {}
    }
}

/// Ends the relay, and with it both connections.
fn cut() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// What both readers of a connection know.
#[derive(Debug, Default)]
struct Session {
    /// The answers that are due, oldest first.
    expected: Mutex<VecDeque<Answer>>,
    /// The server owes one byte: whether it will speak TLS.
    encryption_asked: AtomicBool,
    encrypted: AtomicBool,
    /// What a client of MySQL says that it can do.
    capabilities: AtomicU32,
    /// The answers of CQL that are due, by the numbers of their streams.
    streams: Mutex<HashMap<i16, cql::Due>>,
}

/// An answer that ends with ReadyForQuery.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// The place in the log of what it answers; a startup or a ping has none.
    request: Option<usize>,
    fault: Option<Fault>,
}

impl Session {
    fn expect(&self, answer: Answer) {
        self.expected.lock().expect("nothing panics while it holds the queue").push_back(answer);
    }

    fn current(&self) -> Option<Answer> {
        self.expected.lock().expect("nothing panics while it holds the queue").front().copied()
    }

    fn due(&self, stream: i16, due: cql::Due) {
        self.streams.lock().expect("nothing panics while it holds the streams").insert(stream, due);
    }

    fn answered(&self, stream: i16) -> Option<cql::Due> {
        self.streams.lock().expect("nothing panics while it holds the streams").remove(&stream)
    }

    fn complete(&self) {
        self.expected.lock().expect("nothing panics while it holds the queue").pop_front();
    }
}

/// Bytes on their way, which leave the proxy when they are due.
#[derive(Debug)]
enum Piece {
    Bytes(Instant, Vec<u8>),
    Cut(Instant),
}

#[derive(Debug, Clone)]
struct Lane {
    queue: UnboundedSender<Piece>,
    shared: Arc<Shared>,
}

impl Lane {
    // A writer that is gone has ended the relay already.
    fn send(&self, bytes: Vec<u8>) {
        let _ = self.queue.send(Piece::Bytes(self.due(), bytes));
    }

    fn cut(&self) {
        let _ = self.queue.send(Piece::Cut(self.due()));
    }

    fn due(&self) -> Instant {
        Instant::now() + self.shared.state().delay
    }
}

async fn write(
    mut socket: impl AsyncWrite + Unpin,
    mut queue: UnboundedReceiver<Piece>,
    shared: &Shared,
) -> io::Result<()> {
    while let Some(piece) = queue.recv().await {
        shared.until(|state| state.flow == Flow::Free).await;
        match piece {
            Piece::Bytes(due, bytes) => {
                tokio::time::sleep_until(due).await;
                socket.write_all(&bytes).await?;
            }
            Piece::Cut(due) => {
                tokio::time::sleep_until(due).await;
                return Err(cut());
            }
        }
    }
    socket.shutdown().await
}

/// The client's messages that the server has not seen yet: they leave together, or not at all.
#[derive(Debug, Default)]
struct Flight {
    bytes: Vec<u8>,
    texts: Vec<String>,
    extended: Vec<u8>,
}

struct Requests {
    connection: usize,
    server: usize,
    flight: Flight,
    to_server: Lane,
    to_client: Lane,
    session: Arc<Session>,
    shared: Arc<Shared>,
}

impl Requests {
    async fn read(mut self, mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut frames = Frames::new(Phase::Opening);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = socket.read(&mut buffer).await?;
            if count == 0 {
                self.flight.bytes.append(&mut frames.rest());
                self.forward();
                return Ok(());
            }
            frames.push(&buffer[..count]);
            // A client that asked for encryption says nothing before it has the answer.
            if self.session.encrypted.load(Ordering::Acquire) {
                frames.set_phase(Phase::Opaque);
            }
            while let Some(message) = frames.next() {
                self.take(message, &mut frames).await?;
            }
        }
    }

    async fn take(&mut self, message: Message, frames: &mut Frames) -> io::Result<()> {
        match message.tag {
            None if self.session.encrypted.load(Ordering::Acquire) => {}
            None => self.open(&message, frames),
            Some(b'P' | b'B' | b'E' | b'D' | b'C') => {
                if message.tag == Some(b'P') {
                    self.flight.texts.push(message.sql());
                }
                self.flight.extended.extend(message.tag);
                self.flight.bytes.extend(message.bytes);
                return Ok(());
            }
            Some(b'Q') => return self.request(Kind::Simple, message.sql(), message.bytes).await,
            Some(b'F') => return self.request(Kind::Function, String::new(), message.bytes).await,
            Some(b'S') if !self.flight.extended.is_empty() => {
                let text = std::mem::take(&mut self.flight.texts).join("; ");
                self.flight.extended.clear();
                return self.request(Kind::Extended, text, message.bytes).await;
            }
            Some(b'S') => {
                self.shared.change(|state| state.pings += 1);
                self.session.expect(Answer { request: None, fault: None });
            }
            Some(b'p') => self.shared.change(|state| state.authentications += 1),
            // Flush, CopyData and its kind, Terminate.
            Some(_) => {}
        }
        self.flight.bytes.extend(message.bytes);
        self.forward();
        Ok(())
    }

    fn open(&self, message: &Message, frames: &mut Frames) {
        match message.opening() {
            Opening::Encryption => self.session.encryption_asked.store(true, Ordering::Release),
            Opening::Cancel => self.shared.change(|state| state.cancels += 1),
            Opening::Session => {
                frames.set_phase(Phase::Messages);
                self.session.expect(Answer { request: None, fault: None });
                self.shared.change(|state| state.startups += 1);
            }
        }
    }

    async fn request(&mut self, kind: Kind, text: String, bytes: Vec<u8>) -> io::Result<()> {
        self.flight.bytes.extend(bytes);
        let Some((place, fault, releases)) = self.log(kind, text) else {
            self.session.expect(Answer { request: None, fault: None });
            self.forward();
            return Ok(());
        };
        match fault {
            Some(Fault::CutBefore) => return Err(cut()),
            Some(Fault::Refuse) => {
                self.to_client.send(terminated());
                self.to_client.cut();
                // The cut ends the relay; until then nothing else may reach the server.
                return std::future::pending().await;
            }
            Some(Fault::HoldBefore) => self.shared.until(|state| state.releases > releases).await,
            _ => {}
        }
        self.session.expect(Answer { request: Some(place), fault });
        self.forward();
        if fault == Some(Fault::CutSent) {
            self.to_server.cut();
        }
        Ok(())
    }

    /// Its place, its fault, and how often the proxy has released by now; nothing for what does not count.
    fn log(&self, kind: Kind, text: String) -> Option<(usize, Option<Fault>, usize)> {
        let (connection, server) = (self.connection, self.server);
        self.shared.change(|state| {
            if !(state.counted.0)(&text) {
                return None;
            }
            state.log.push(Request { connection, server, kind, text, answered: false });
            Some((state.log.len() - 1, state.faults.remove(&state.log.len()), state.releases))
        })
    }

    fn forward(&mut self) {
        let bytes = std::mem::take(&mut self.flight.bytes);
        if !bytes.is_empty() {
            self.to_server.send(bytes);
        }
    }
}

struct Answers {
    /// An answer that [`Fault::HoldAnswer`] or [`Fault::CutBeforeAnswer`] keeps.
    held: Vec<u8>,
    to_client: Lane,
    session: Arc<Session>,
    shared: Arc<Shared>,
}

impl Answers {
    async fn read(mut self, mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut frames = Frames::new(Phase::Messages);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = socket.read(&mut buffer).await?;
            if count == 0 {
                self.to_client.send(frames.rest());
                // A server that has gone ends the session; the client must see it now.
                self.to_client.cut();
                return Ok(());
            }
            frames.push(&buffer[..count]);
            if self.session.encryption_asked.swap(false, Ordering::AcqRel) {
                frames.set_phase(Phase::Byte);
                self.answer_encryption(&mut frames);
            }
            while let Some(message) = frames.next() {
                self.take(message).await?;
            }
        }
    }

    fn answer_encryption(&self, frames: &mut Frames) {
        let Some(answer) = frames.next() else { return };
        let encrypted = matches!(answer.bytes[..], [b'S' | b'G']);
        self.session.encrypted.store(encrypted, Ordering::Release);
        frames.set_phase(if encrypted { Phase::Opaque } else { Phase::Messages });
        self.to_client.send(answer.bytes);
    }

    async fn take(&mut self, message: Message) -> io::Result<()> {
        let is_last = message.tag == Some(b'Z');
        let answer = self.session.current().filter(|_| message.tag.is_some());
        match answer {
            Some(answer) => self.keep_or_send(answer, message.bytes),
            None => self.to_client.send(message.bytes),
        }
        match answer {
            Some(answer) if is_last => self.complete(answer).await,
            _ => Ok(()),
        }
    }

    fn keep_or_send(&mut self, answer: Answer, bytes: Vec<u8>) {
        match answer.fault {
            Some(Fault::CutBeforeAnswer | Fault::HoldAnswer) => self.held.extend(bytes),
            _ => self.to_client.send(bytes),
        }
    }

    async fn complete(&mut self, answer: Answer) -> io::Result<()> {
        self.session.complete();
        let releases = self.shared.change(|state| {
            if let Some(place) = answer.request {
                state.log[place].answered = true;
            }
            state.releases
        });
        match answer.fault {
            Some(Fault::CutBeforeAnswer) => return Err(cut()),
            Some(Fault::HoldAnswer) => {
                self.shared.until(|state| state.releases > releases).await;
                self.to_client.send(std::mem::take(&mut self.held));
            }
            Some(Fault::CutAfterAnswer) => self.to_client.cut(),
            _ => {}
        }
        Ok(())
    }
}
