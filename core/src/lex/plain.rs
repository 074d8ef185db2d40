//! The rest of a statement whose words can no longer matter, passed over a byte at a time and not a token at a time.

use super::{Lexer, class};
use crate::Dialect;

/// The bytes of words, blanks, and marks that mean nothing to the dialect's grammar.
const PLAIN: u8 = 0;
const NEWLINE: u8 = 1;
/// `(`, where parentheses are counted.
const OPENS: u8 = 2;
const CLOSES: u8 = 3;
/// What must be read as a token.
const STOPS: u8 = 4;
/// What must be read as a token with the word that it follows: `E'…'`, `a$b`.
const JOINS: u8 = 5;

/// The parentheses that are open.
#[derive(Default)]
pub(crate) struct Parentheses {
    pub(crate) depth: usize,
    /// The first of them.
    pub(crate) start: usize,
}

impl Parentheses {
    pub(crate) fn open(&mut self, at: usize) {
        if self.depth == 0 {
            self.start = at;
        }
        self.depth += 1;
    }

    pub(crate) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

impl Lexer<'_> {
    /// Passes over what is plain; gives its range, without the blanks behind it.
    pub(crate) fn pass_plain(&mut self, parentheses: &mut Parentheses) -> (usize, usize) {
        let (bytes, plain, len, start) = (self.bytes, &TABLES[self.dialect as usize], self.bytes.len(), self.at);
        if self.has_delimiter() {
            // It can begin in the middle of a word.
            return (start, start);
        }
        let (mut at, mut found) = (start, STOPS);
        loop {
            while at < len && plain[bytes[at] as usize] == PLAIN {
                at += 1;
            }
            if at == len {
                break;
            }
            found = plain[bytes[at] as usize];
            match found {
                NEWLINE => self.line += 1,
                OPENS => parentheses.open(at),
                CLOSES => parentheses.close(),
                _ => break,
            }
            at += 1;
        }
        if found == JOINS {
            while at > start && self.class[bytes[at - 1] as usize] >= class::DIGIT {
                at -= 1;
            }
        }
        self.at = at;
        while at > start && matches!(self.class[bytes[at - 1] as usize], class::BLANK | class::NEWLINE) {
            at -= 1;
        }
        (start, at)
    }
}

static TABLES: [[u8; 256]; 4] =
    [table(Dialect::Sqlite), table(Dialect::Postgres), table(Dialect::Mysql), table(Dialect::Cql)];

const fn table(dialect: Dialect) -> [u8; 256] {
    let class = class::of(dialect);
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match (dialect, byte as u8, class[byte]) {
            (_, _, class::NEWLINE) => NEWLINE,
            (_, b'\'', _) | (_, _, class::DOLLAR) => JOINS,
            (_, b';', _) | (_, _, class::OPENS) => STOPS,
            (Dialect::Postgres, b'(', _) => OPENS,
            (Dialect::Postgres, b')', _) => CLOSES,
            // A mark that CQL does not know is reported, and so is the word that holds a character beyond ASCII or begins
            // with `_`.
            (Dialect::Cql, b'(' | b')' | b'[' | b']' | b',' | b'.' | b'=' | b'<' | b'>' | b'!' | b'+' | b'%', _) => {
                PLAIN
            }
            (Dialect::Cql, _, class::MARK) => STOPS,
            (Dialect::Cql, 0x80..=0xff | b'_', _) => JOINS,
            _ => PLAIN,
        };
        byte += 1;
    }
    table
}
