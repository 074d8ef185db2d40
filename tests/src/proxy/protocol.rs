//! As much of the protocol, version 3, as it takes to see where messages end (PG manual 55.7, message formats).

/// One message with all its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The type byte; the first packets of a connection have none.
    pub(super) tag: Option<u8>,
    pub(super) bytes: Vec<u8>,
}

/// What a packet without a type byte asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// The server answers with one byte.
    Encryption,
    Cancel,
    Session,
}

impl Message {
    /// What follows the type and the length.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(if self.tag.is_some() { 5 } else { 4 }..).unwrap_or_default()
    }

    pub(super) fn opening(&self) -> Opening {
        match self.body().first_chunk().map(|code| u32::from_be_bytes(*code)) {
            Some(80_877_103 | 80_877_104) => Opening::Encryption,
            Some(80_877_102) => Opening::Cancel,
            _ => Opening::Session,
        }
    }

    /// The SQL of a Query or a Parse message.
    pub(super) fn sql(&self) -> String {
        let mut fields = self.body().split(|byte| *byte == 0);
        let sql = match self.tag {
            Some(b'P') => fields.nth(1), // after the statement's name
            _ => fields.next(),
        };
        String::from_utf8_lossy(sql.unwrap_or_default()).into_owned()
    }
}

/// Bytes in, messages out; what is no message comes out as it is.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A length, then the body.
    Opening,
    /// A type byte, a length that counts itself, then the body.
    Messages,
    /// One byte: the server's answer to a request for encryption.
    Byte,
    /// Encrypted, or not this protocol.
    Opaque,
}

impl Frames {
    pub(super) fn new(phase: Phase) -> Self {
        Self { buffer: Vec::new(), phase }
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Option<Message> {
        let tagged = match self.phase {
            Phase::Opening => false,
            Phase::Messages => true,
            Phase::Byte => return self.take(1, None),
            Phase::Opaque => return self.take(self.buffer.len(), None),
        };
        let start = usize::from(tagged);
        let length: [u8; 4] = *self.buffer.get(start..)?.first_chunk()?;
        let length = u32::from_be_bytes(length) as usize;
        if length < 4 {
            self.phase = Phase::Opaque;
            return self.next();
        }
        self.take(start + length, tagged.then(|| self.buffer[0]))
    }

    /// What came before the end of the connection and is no whole message.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    fn take(&mut self, length: usize, tag: Option<u8>) -> Option<Message> {
        if length == 0 || self.buffer.len() < length {
            return None;
        }
        let left = self.buffer.split_off(length);
        Some(Message { tag, bytes: std::mem::replace(&mut self.buffer, left) })
    }
}

/// What a server sends before it ends a session.
pub(super) fn terminated() -> Vec<u8> {
    let fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0";
    let length = u32::try_from(fields.len() + 4).expect("a short message");
    [b"E".as_slice(), &length.to_be_bytes(), fields].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_the_bytes_arrive() {
        let bytes = b"Q\0\0\0\x0dSELECT 1\0S\0\0\0\x04";
        for size in 1..bytes.len() {
            let mut frames = Frames::new(Phase::Messages);
            let mut messages = Vec::new();
            for chunk in bytes.chunks(size) {
                frames.push(chunk);
                messages.extend(std::iter::from_fn(|| frames.next()));
            }
            assert_eq!(messages.len(), 2);
            assert_eq!(messages[0].sql(), "SELECT 1");
            assert_eq!(messages[1].tag, Some(b'S'));
            assert_eq!(messages.into_iter().flat_map(|message| message.bytes).collect::<Vec<_>>(), bytes);
        }
    }

    #[test]
    fn the_sql_of_a_parse_follows_its_name() {
        let message = Message { tag: Some(b'P'), bytes: b"P\0\0\0\x15s1\0SELECT $1\0\0\0".to_vec() };
        assert_eq!(message.sql(), "SELECT $1");
    }

    #[test]
    fn what_is_no_message_passes() {
        let mut frames = Frames::new(Phase::Messages);
        frames.push(b"\x16\0\0\0\0rest");
        assert_eq!(frames.next(), Some(Message { tag: None, bytes: b"\x16\0\0\0\0rest".to_vec() }));
        assert_eq!(frames.next(), None);
    }
}
