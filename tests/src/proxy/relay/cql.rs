//! CQL's side of the relay: requests wait for their answers side by side, and each is held by itself.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Answer, Answers, Lane, Requests, cut};
use crate::proxy::cql_frames::{AUTH_RESPONSE, Asked, CqlFrame, CqlFrames, OPTIONS, REGISTER, STARTUP};
use crate::proxy::{Fault, Kind, Shared};

/// An answer that is due.
#[derive(Debug)]
pub(super) struct Due {
    answer: Answer,
    /// What its request prepares.
    prepares: Option<String>,
}

impl Requests {
    pub(super) async fn read_frames(mut self, mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut frames = CqlFrames::default();
        let mut buffer = vec![0; 64 * 1024];
        // Whoever wants to hear of events is the driver itself, which reads there how the cluster looks.
        let mut is_housekeeping = false;
        loop {
            let count = socket.read(&mut buffer).await?;
            if count == 0 {
                self.to_server.send(frames.rest());
                return Ok(());
            }
            frames.push(&buffer[..count]);
            while let Some(frame) = frames.next() {
                match frame.operation() {
                    STARTUP => self.shared.change(|state| state.startups += 1),
                    AUTH_RESPONSE => self.shared.change(|state| state.authentications += 1),
                    OPTIONS => self.shared.change(|state| state.pings += 1),
                    REGISTER => is_housekeeping = true,
                    _ => {}
                }
                match frame.asked().filter(|_| !is_housekeeping) {
                    Some(asked) => self.take_frame(asked, frame)?,
                    None => self.to_server.send(frame.bytes),
                }
            }
        }
    }

    fn take_frame(&mut self, asked: Asked, frame: CqlFrame) -> io::Result<()> {
        let (kind, text) = match asked {
            Asked::Text(kind, text) => (kind, text),
            Asked::Prepared(id) => (Kind::Execute, self.shared.state().prepared.get(&id).cloned().unwrap_or_default()),
        };
        let prepares = (kind == Kind::Prepare).then(|| text.clone());
        let stream = frame.stream();
        let Some((place, fault, releases)) = self.log(kind, text) else {
            self.session.due(stream, Due { answer: Answer { request: None, fault: None }, prepares });
            self.to_server.send(frame.bytes);
            return Ok(());
        };
        let answer = Answer { request: Some(place), fault };
        match fault {
            Some(Fault::CutBefore) => return Err(cut()),
            Some(Fault::Fail(error)) => {
                answer.note(&self.shared);
                self.to_client.send(CqlFrame::error(stream, error).bytes);
                return Ok(());
            }
            _ => self.session.due(stream, Due { answer, prepares }),
        }
        match fault {
            Some(Fault::HoldBefore) => self.to_server.send_released(releases, frame.bytes),
            Some(Fault::CutSent) => {
                self.to_server.send(frame.bytes);
                self.to_server.cut();
            }
            _ => self.to_server.send(frame.bytes),
        }
        Ok(())
    }
}

impl Answers {
    pub(super) async fn read_frames(self, mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut frames = CqlFrames::default();
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
            while let Some(frame) = frames.next() {
                match self.session.answered(frame.stream()) {
                    Some(due) => self.take_frame(due, frame)?,
                    None => self.to_client.send(frame.bytes),
                }
            }
        }
    }

    fn take_frame(&self, due: Due, frame: CqlFrame) -> io::Result<()> {
        if let (Some(text), Some(id)) = (due.prepares, frame.prepared()) {
            self.shared.change(|state| state.prepared.insert(id, text));
        }
        let releases = due.answer.note(&self.shared);
        match due.answer.fault {
            Some(Fault::CutBeforeAnswer) => return Err(cut()),
            Some(Fault::LoseAnswer) => {}
            Some(Fault::HoldAnswer) => self.to_client.send_released(releases, frame.bytes),
            Some(Fault::FailAnswer(error)) => self.to_client.send(CqlFrame::error(frame.stream(), error).bytes),
            Some(Fault::CutAfterAnswer) => {
                self.to_client.send(frame.bytes);
                self.to_client.cut();
            }
            _ => self.to_client.send(frame.bytes),
        }
        Ok(())
    }
}

impl Lane {
    /// Sends when the proxy has released once more than so often; what comes after it goes first.
    fn send_released(&self, releases: usize, bytes: Vec<u8>) {
        let lane = self.clone();
        tokio::spawn(async move {
            lane.shared.until(|state| state.releases > releases).await;
            lane.send(bytes);
        });
    }
}

impl Answer {
    /// Notes that it has come; how often the proxy has released by then.
    fn note(self, shared: &Shared) -> usize {
        shared.change(|state| {
            if let Some(place) = self.request {
                state.log[place].answered = true;
            }
            state.releases
        })
    }
}
