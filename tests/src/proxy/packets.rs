//! As much of MySQL's protocol as it takes to see where requests and their answers end (MariaDB knowledge base,
//! "Client/Server Protocol").

/// A packet with all its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
}

/// In front of each: the length of what follows, in three bytes, and a number that begins with zero for a command.
const HEAD: usize = 4;

impl Packet {
    pub(super) fn number(&self) -> u8 {
        self.bytes[HEAD - 1]
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[HEAD..]
    }

    /// What the client can do, from its first packet.
    pub(super) fn capabilities(&self) -> u32 {
        self.body().first_chunk().map_or(0, |flags| u32::from_le_bytes(*flags))
    }
}

/// A client that can do this gets an OK packet, and no EOF packet, where rows or columns end.
pub(super) const NO_EOF: u32 = 1 << 24;
/// A client that says this in a first packet of 32 bytes goes on encrypted.
pub(super) const ENCRYPTS: u32 = 1 << 11;

/// The commands that the relay tells apart: a text to run, and a ping.
pub(super) const QUERY: u8 = 0x03;
pub(super) const PING: u8 = 0x0e;

/// Bytes in, packets out.
#[derive(Debug, Default)]
pub(super) struct Packets {
    buffer: Vec<u8>,
}

impl Packets {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet.
    pub(super) fn next(&mut self) -> Option<Packet> {
        let [a, b, c, _] = *self.buffer.first_chunk()?;
        let length = HEAD + u32::from_le_bytes([a, b, c, 0]) as usize;
        if self.buffer.len() < length {
            return None;
        }
        let left = self.buffer.split_off(length);
        Some(Packet { bytes: std::mem::replace(&mut self.buffer, left) })
    }

    /// What came before the end of the connection and is no whole packet.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

/// How far the answer to a query has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// A result begins: OK, an error, or the number of columns.
    Result,
    /// So many descriptions of columns follow.
    Columns(u64),
    /// An EOF packet follows the descriptions.
    EndOfColumns,
    Rows,
    Ended,
}

impl Reply {
    /// What follows a packet.
    pub(super) fn after(self, body: &[u8], capabilities: u32) -> Self {
        let has_eof = capabilities & NO_EOF == 0;
        let rows = if has_eof { Self::EndOfColumns } else { Self::Rows };
        match (self, body.first()) {
            (_, Some(0xff)) | (Self::Ended, _) => Self::Ended,
            (Self::Result, Some(0)) => Self::behind(ok_status(body)),
            (Self::Result, _) => match number(body).0 {
                0 => Self::Ended,
                count => Self::Columns(count),
            },
            (Self::Columns(1), _) => rows,
            (Self::Columns(left), _) => Self::Columns(left - 1),
            (Self::EndOfColumns, _) => Self::Rows,
            (Self::Rows, Some(0xfe)) if has_eof && body.len() < 9 => Self::behind(eof_status(body)),
            (Self::Rows, Some(0xfe)) if !has_eof && body.len() < 0xff_ffff => Self::behind(ok_status(body)),
            (Self::Rows, _) => Self::Rows,
        }
    }

    fn behind(status: u16) -> Self {
        const MORE_RESULTS: u16 = 8;
        if status & MORE_RESULTS == 0 { Self::Ended } else { Self::Result }
    }
}

/// Behind the head of an OK packet stand two numbers: rows changed, and the last key.
fn ok_status(body: &[u8]) -> u16 {
    let rest = number(body.get(1..).unwrap_or_default()).1;
    let rest = number(rest).1;
    rest.first_chunk().map_or(0, |status| u16::from_le_bytes(*status))
}

/// Behind the head of an EOF packet stands the number of warnings.
fn eof_status(body: &[u8]) -> u16 {
    body.get(3..).and_then(<[u8]>::first_chunk).map_or(0, |status| u16::from_le_bytes(*status))
}

/// A number whose first byte says how long it is, and what follows it.
fn number(bytes: &[u8]) -> (u64, &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return (0, bytes) };
    let length = match first {
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return (u64::from(*first), rest),
    };
    let (digits, rest) = rest.split_at(length.min(rest.len()));
    (digits.iter().rev().fold(0, |number, digit| number << 8 | u64::from(*digit)), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_last_result() {
        let more: &[u8] = &[0, 0, 0, 10, 0, 0, 0];
        let last: &[u8] = &[0, 0xfc, 1, 1, 0, 2, 0, 0, 0];
        let (column, row) = (&[3, b'd', b'e', b'f'][..], &[1, b'x'][..]);
        let (eof, end): (&[u8], &[u8]) = (&[0xfe, 0, 0, 10, 0], &[0xfe, 0, 0, 2, 0, 0, 0]);
        let cases: [(u32, &[&[u8]]); 5] = [
            (0, &[last]),
            (0, &[more, last]),
            (0, &[more, &[0xff, 1, 2]]),
            (0, &[&[2], column, column, eof, row, row, eof, last]),
            (NO_EOF, &[more, &[1], column, row, end]),
        ];
        for (capabilities, packets) in cases {
            let mut reply = Reply::Result;
            for (place, packet) in packets.iter().enumerate() {
                assert_ne!(reply, Reply::Ended, "{packets:?} {place}");
                reply = reply.after(packet, capabilities);
            }
            assert_eq!(reply, Reply::Ended, "{packets:?}");
        }
    }

    #[test]
    fn packets_come_out_whole_however_the_bytes_arrive() {
        let bytes = b"\x09\0\0\0\x03SELECT 1\x01\0\0\0\x0e";
        for size in 1..bytes.len() {
            let mut packets = Packets::default();
            let mut all = Vec::new();
            for chunk in bytes.chunks(size) {
                packets.push(chunk);
                all.extend(std::iter::from_fn(|| packets.next()));
            }
            assert_eq!(all.iter().map(Packet::body).collect::<Vec<_>>(), [&b"\x03SELECT 1"[..], b"\x0e"]);
        }
    }
}
