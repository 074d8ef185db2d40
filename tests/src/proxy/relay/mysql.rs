//! MySQL's side of the relay: one query is one request; all else passes.

use std::io;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Answers, Requests};
use crate::proxy::Kind;
use crate::proxy::packets::{ENCRYPTS, PING, Packet, Packets, QUERY, Reply};

impl Requests {
    pub(super) async fn read_packets(mut self, mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut packets = Packets::default();
        let mut buffer = vec![0; 64 * 1024];
        // Its first packet tells what the client can do.
        let mut is_known = false;
        loop {
            let count = socket.read(&mut buffer).await?;
            if count == 0 || self.session.encrypted.load(Ordering::Acquire) {
                self.flight.bytes.append(&mut packets.rest());
                self.flight.bytes.extend(&buffer[..count]);
                self.forward();
                if count == 0 {
                    return Ok(());
                }
                continue;
            }
            packets.push(&buffer[..count]);
            while let Some(packet) = packets.next() {
                if !is_known {
                    is_known = true;
                    self.meet(&packet);
                }
                self.take_packet(packet).await?;
            }
        }
    }

    fn meet(&self, packet: &Packet) {
        let capabilities = packet.capabilities();
        self.session.capabilities.store(capabilities, Ordering::Release);
        self.session.encrypted.store(packet.body().len() == 32 && capabilities & ENCRYPTS != 0, Ordering::Release);
        self.shared.change(|state| state.startups += 1);
    }

    async fn take_packet(&mut self, packet: Packet) -> io::Result<()> {
        match (packet.number(), packet.body().split_first()) {
            (0, Some((&QUERY, sql))) => {
                let sql = String::from_utf8_lossy(sql).into_owned();
                return self.request(Kind::Simple, sql, packet.bytes).await;
            }
            (0, Some((&PING, _))) => self.shared.change(|state| state.pings += 1),
            (0, _) => {}
            _ => self.shared.change(|state| state.authentications += 1),
        }
        self.flight.bytes.extend(packet.bytes);
        self.forward();
        Ok(())
    }
}

impl Answers {
    pub(super) async fn read_packets(mut self, mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut packets = Packets::default();
        let mut buffer = vec![0; 64 * 1024];
        let mut reply = Reply::Result;
        loop {
            let count = socket.read(&mut buffer).await?;
            if count == 0 {
                self.to_client.send(packets.rest());
                // A server that has gone ends the session; the client must see it now.
                self.to_client.cut();
                return Ok(());
            }
            if self.session.encrypted.load(Ordering::Acquire) {
                self.to_client.send([packets.rest(), buffer[..count].to_vec()].concat());
                continue;
            }
            packets.push(&buffer[..count]);
            while let Some(packet) = packets.next() {
                // What answers no query passes.
                let Some(answer) = self.session.current() else {
                    self.to_client.send(packet.bytes);
                    continue;
                };
                reply = reply.after(packet.body(), self.session.capabilities.load(Ordering::Acquire));
                self.keep_or_send(answer, packet.bytes);
                if reply == Reply::Ended {
                    reply = Reply::Result;
                    self.complete(answer).await?;
                }
            }
        }
    }
}
