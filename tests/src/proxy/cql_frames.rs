//! As much of the CQL protocol, version 4, as it takes to see which answer belongs to which request (Cassandra's
//! `native_protocol_v4.spec`).

use super::{CqlError, Kind};

/// A frame with all its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CqlFrame {
    pub(super) bytes: Vec<u8>,
}

/// In front of each: version, flags, the number of the stream in two bytes, the kind, the length in four.
const HEAD: usize = 9;

pub(super) const STARTUP: u8 = 0x01;
pub(super) const OPTIONS: u8 = 0x05;
pub(super) const REGISTER: u8 = 0x0b;
pub(super) const AUTH_RESPONSE: u8 = 0x0f;
const ERROR: u8 = 0x00;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0a;
const BATCH: u8 = 0x0d;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Text(Kind, String),
    /// What was prepared under this id.
    Prepared(Vec<u8>),
}

impl CqlFrame {
    /// Both directions of a request have the same; an event has -1.
    pub(super) fn stream(&self) -> i16 {
        i16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    pub(super) fn operation(&self) -> u8 {
        self.bytes[4]
    }

    fn body(&self) -> Body<'_> {
        Body(&self.bytes[HEAD..])
    }

    /// `None` for what has no statement.
    pub(super) fn asked(&self) -> Option<Asked> {
        let mut body = self.body();
        match self.operation() {
            QUERY => Some(Asked::Text(Kind::Simple, body.long_text()?)),
            PREPARE => Some(Asked::Text(Kind::Prepare, body.long_text()?)),
            EXECUTE => Some(Asked::Prepared(body.short_bytes()?.to_vec())),
            BATCH => Some(Asked::Text(Kind::Batch, body.batch()?)),
            _ => None,
        }
    }

    /// The id that an answer gives to what it has prepared.
    pub(super) fn prepared(&self) -> Option<Vec<u8>> {
        const PREPARED: u32 = 4;
        let mut body = self.body();
        if self.operation() != RESULT || body.number()? != PREPARED {
            return None;
        }
        body.short_bytes().map(<[u8]>::to_vec)
    }

    /// An error as the answer to a request.
    pub(super) fn error(stream: i16, error: CqlError) -> Self {
        let text = |text: &str| {
            let length = u16::try_from(text.len()).expect("a short text");
            [&length.to_be_bytes(), text.as_bytes()].concat()
        };
        let (code, message, fields): (u32, _, Vec<u8>) = match error {
            CqlError::Plain { code, message } => (code, message, Vec::new()),
            // QUORUM, two of three, one alive.
            CqlError::Unavailable => {
                (0x1000, "Cannot achieve consistency level QUORUM", [0, 4, 0, 0, 0, 2, 0, 0, 0, 1].to_vec())
            }
            // QUORUM, two of three, one has answered.
            CqlError::WriteTimeout(kind) => {
                let fields = [&[0, 4, 0, 0, 0, 1, 0, 0, 0, 2][..], &text(kind)].concat();
                (0x1100, "Operation timed out - received only 1 responses.", fields)
            }
        };
        let body = [&code.to_be_bytes()[..], &text(message), &fields].concat();
        let [high, low] = stream.to_be_bytes();
        let length = u32::try_from(body.len()).expect("a short frame");
        Self { bytes: [&[0x84, 0, high, low, ERROR][..], &length.to_be_bytes(), &body].concat() }
    }
}

/// What is left to read of a frame's body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|number| u32::from_be_bytes(*number))
    }

    fn short(&mut self) -> Option<usize> {
        self.take(2)?.first_chunk().map(|number| u16::from_be_bytes(*number).into())
    }

    fn short_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(length)
    }

    fn long_text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        self.take(length).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// The texts of a batch, and nothing of what was prepared before.
    fn batch(&mut self) -> Option<String> {
        self.take(1)?;
        let mut texts = Vec::new();
        for _ in 0..self.short()? {
            match self.take(1)? {
                [0] => texts.push(self.long_text()?),
                _ => _ = self.short_bytes()?,
            }
            for _ in 0..self.short()? {
                // Null and unset values have a negative length, and no bytes.
                let length = self.number()?.cast_signed();
                self.take(length.max(0).unsigned_abs() as usize)?;
            }
        }
        Some(texts.join("; "))
    }
}

/// Bytes in, frames out.
#[derive(Debug, Default)]
pub(super) struct CqlFrames {
    buffer: Vec<u8>,
}

impl CqlFrames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<CqlFrame> {
        let length = self.buffer.get(HEAD - 4..)?.first_chunk().map(|length| u32::from_be_bytes(*length))?;
        let length = HEAD + length as usize;
        if self.buffer.len() < length {
            return None;
        }
        let left = self.buffer.split_off(length);
        Some(CqlFrame { bytes: std::mem::replace(&mut self.buffer, left) })
    }

    /// What came before the end of the connection and is no whole frame.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(operation: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [&[4, 0, 1, 2, operation][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let bytes = [frame(QUERY, b"\0\0\0\x08SELECT 1\0\x01\0"), frame(OPTIONS, b"")].concat();
        for size in 1..bytes.len() {
            let mut frames = CqlFrames::default();
            let mut out = Vec::new();
            for chunk in bytes.chunks(size) {
                frames.push(chunk);
                out.extend(std::iter::from_fn(|| frames.next()));
            }
            assert_eq!(out.len(), 2);
            assert_eq!(out[0].asked(), Some(Asked::Text(Kind::Simple, "SELECT 1".to_owned())));
            assert_eq!((out[1].operation(), out[1].stream(), out[1].asked()), (OPTIONS, 0x102, None));
            assert_eq!(out.into_iter().flat_map(|frame| frame.bytes).collect::<Vec<_>>(), bytes);
        }
    }

    #[test]
    fn the_texts_of_a_batch_stand_between_ids_and_values() {
        let body = b"\0\0\x03\0\0\0\0\x01a\0\x02\0\0\0\x01x\xff\xff\xff\xff\x01\0\x02id\0\0\0\0\0\0\x01b\0\0";
        let frame = CqlFrame { bytes: frame(BATCH, body) };
        assert_eq!(frame.asked(), Some(Asked::Text(Kind::Batch, "a; b".to_owned())));
    }
}
