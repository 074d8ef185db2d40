//! What a byte can be; the order matters, so that one comparison tells whether a word goes on.

use crate::Dialect;

/// A mark with which a comment, a literal or a line of a client can begin.
pub(crate) const OPENS: u8 = 0;
/// Any other byte that is a token by itself.
pub(crate) const MARK: u8 = 1;
pub(crate) const BLANK: u8 = 2;
pub(crate) const NEWLINE: u8 = 3;
/// `$`, where a name can go on with it but not begin.
pub(crate) const DOLLAR: u8 = 4;
pub(crate) const DIGIT: u8 = 5;
pub(crate) const LETTER: u8 = 6;

pub(crate) const fn of(dialect: Dialect) -> &'static [u8; 256] {
    &TABLES[dialect as usize]
}

static TABLES: [[u8; 256]; 4] =
    [table(Dialect::Sqlite), table(Dialect::Postgres), table(Dialect::Mysql), table(Dialect::Cql)];

const fn table(dialect: Dialect) -> [u8; 256] {
    let mut table = [MARK; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\n' => NEWLINE,
            b' ' | b'\t' | b'\r' => BLANK,
            b'0'..=b'9' => DIGIT,
            // All bytes of a character beyond ASCII belong to names (SQLite: IdChar; PG manual 4.1.1; MySQL manual
            // 11.2). CQL has none outside literals; they are read as words, and reported.
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..=0xff => LETTER,
            b'\'' | b'"' | b'`' | b'[' | b'$' | b'-' | b'/' | b'*' | b'#' | b'\\' => OPENS,
            _ => MARK,
        };
        byte += 1;
    }
    table[b'$' as usize] = match dialect {
        Dialect::Postgres => DOLLAR,
        Dialect::Sqlite | Dialect::Mysql => LETTER,
        Dialect::Cql => OPENS,
    };
    // Form feed is blank but for CQL; vertical tab for MySQL and for PostgreSQL from 16 on (scan.l: space).
    table[0x0c] = if matches!(dialect, Dialect::Cql) { MARK } else { BLANK };
    table[0x0b] = if matches!(dialect, Dialect::Cql | Dialect::Sqlite) { MARK } else { BLANK };
    table
}
