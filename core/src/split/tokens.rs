//! What a digest is taken over: the tokens, each followed by a space, each statement by a zero byte.
//!
//! Read once more, that text gives the same tokens again, so no two scripts that differ share it; a zero byte stands in
//! no script. Only line ends inside literals are all `\n`, or a checkout with CRLF would be an edit. One buffer, hashed once: fed to SHA-256 token by token it costs half as much again.

use crate::lex::class;

pub(super) struct Tokens {
    bytes: Vec<u8>,
    length: usize,
    /// The `;` inside a body that count only when something of the statement follows.
    semicolons: usize,
}

/// Longer tokens are copied as one; the call costs as much as this many bytes.
const SHORT: usize = 24;

impl Tokens {
    /// For a text of that length.
    pub(super) fn new(length: usize) -> Self {
        // Each token has a byte of the text and one of ours, and the last statement needs no `;` for its end.
        Self { bytes: vec![0; if length == 0 { 0 } else { 2 * length + 1 }], length: 0, semicolons: 0 }
    }

    pub(super) fn push(&mut self, text: &[u8], start: usize, end: usize) {
        if self.semicolons > 0 {
            self.push_semicolons();
        }
        let (bytes, mut to, mut from) = (&mut self.bytes[..], self.length, start);
        if end - start > SHORT {
            bytes[to..to + end - start].copy_from_slice(&text[start..end]);
            to += end - start;
        } else {
            while from < end {
                bytes[to] = text[from];
                from += 1;
                to += 1;
            }
        }
        bytes[to] = b' ';
        self.length = to + 1;
    }

    /// The words and marks of a range that holds nothing else.
    pub(super) fn push_plain(&mut self, text: &[u8], start: usize, end: usize, class: &[u8; 256]) {
        if self.semicolons > 0 {
            self.push_semicolons();
        }
        let (bytes, mut to, mut from) = (&mut self.bytes[..], self.length, start);
        while from < end {
            let mut found = class[text[from] as usize];
            if found == class::BLANK || found == class::NEWLINE {
                from += 1;
                continue;
            }
            let is_word = found >= class::DIGIT;
            loop {
                bytes[to] = text[from];
                to += 1;
                from += 1;
                if !is_word || from == end {
                    break;
                }
                found = class[text[from] as usize];
                if found < class::DIGIT {
                    break;
                }
            }
            bytes[to] = b' ';
            to += 1;
        }
        self.length = to;
    }

    fn push_semicolons(&mut self) {
        while self.semicolons > 0 {
            self.semicolons -= 1;
            self.bytes[self.length] = b';';
            self.bytes[self.length + 1] = b' ';
            self.length += 2;
        }
    }

    pub(super) fn semicolon(&mut self) {
        self.semicolons += 1;
    }

    pub(super) fn end_statement(&mut self) {
        self.semicolons = 0;
        // Nothing is collected unless something was pushed.
        if self.length > 0 {
            self.bytes[self.length] = 0;
            self.length += 1;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.length);
        if self.bytes.contains(&b'\r') { with_newlines(&self.bytes) } else { self.bytes }
    }
}

/// The tokens with `\n` for each `\r\n`, which stand inside literals only; a `\r` alone stays.
fn with_newlines(tokens: &[u8]) -> Vec<u8> {
    let is_kept = |at: usize| tokens[at] != b'\r' || tokens.get(at + 1) != Some(&b'\n');
    (0..tokens.len()).filter(|&at| is_kept(at)).map(|at| tokens[at]).collect()
}
