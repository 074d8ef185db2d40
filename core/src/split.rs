//! Statements: where one ends and the next begins, by each database's own rules.

mod cql;
mod mysql;
mod postgres;
mod sqlite;
mod tokens;

use crate::facts::{self, Piece};
use crate::lex::{Fault, FaultKind, Lexer, Note, Parentheses, Token, TokenKind};
use crate::lex::{class, is_word};
use crate::{Dialect, Statement};
use tokens::Tokens;

/// The statements of a text.
///
/// A statement reaches from its first token to its last, without the `;` that ends it and the comments around it.
/// What is wrong with the text is told by [`read`](crate::read::read); here, what has no end goes to the end of the
/// text. A text of more than 4 GiB has no statements.
///
/// ```
/// use whimbrel_core::{Dialect, split::split};
/// let text = "create function f() returns int language sql as $$ select 1; $$; select f();";
/// let statements = split(text, Dialect::Postgres);
/// assert_eq!(statements.len(), 2);
/// assert_eq!(&text[statements[1].range()], "select f()");
/// ```
pub fn split(text: &str, dialect: Dialect) -> Vec<Statement> {
    if u32::try_from(text.len()).is_err() {
        return Vec::new();
    }
    let pieces = cut(text, dialect, Collect::Nothing).pieces;
    pieces.iter().map(|piece| facts::statement(text, dialect, piece)).collect()
}

/// What cutting a text gives.
pub(crate) struct Cut {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) notes: Vec<Note>,
    /// The number of comments.
    pub(crate) comments: usize,
    /// Where `--` stands that MySQL takes for no comment.
    pub(crate) dashes: Vec<usize>,
    /// What the digest is taken over; empty unless asked for.
    pub(crate) tokens: Vec<u8>,
}

/// Whether the tokens are wanted for a digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collect {
    Nothing,
    Tokens,
}

pub(crate) fn cut(text: &str, dialect: Dialect, collect: Collect) -> Cut {
    let mut lexer = Lexer::new(text.as_bytes(), dialect);
    lexer.in_statement = false;
    let mut cutter = Cutter {
        bytes: text.as_bytes(),
        dialect,
        lexer,
        grammar: Grammar::of(dialect),
        tokens: Tokens::new(if collect == Collect::Tokens { text.len() } else { 0 }),
        collect,
        piece: Piece::default(),
        pieces: Vec::new(),
    };
    cutter.run();
    let Cutter { lexer, tokens, pieces, .. } = cutter;
    let Lexer { faults, notes, comments, dashes, .. } = lexer;
    Cut { pieces, faults, notes, comments, dashes, tokens: tokens.finish() }
}

struct Cutter<'a> {
    bytes: &'a [u8],
    dialect: Dialect,
    lexer: Lexer<'a>,
    grammar: Grammar,
    tokens: Tokens,
    collect: Collect,
    /// The statement that is open, if the lexer is in one. (An `Option` would be asked for each token; that is not free
    /// here.)
    piece: Piece,
    pieces: Vec<Piece>,
}

impl Cutter<'_> {
    fn run(&mut self) {
        loop {
            // The first word is yet to be found in `(SELECT …`.
            let is_plain = self.grammar.is_plain() && self.piece.word.1 > 0;
            let token = if is_plain { self.plain() } else { self.lexer.next() };
            match token.kind {
                TokenKind::End => break,
                TokenKind::Delimiter => self.finish(),
                TokenKind::Mark if token.byte == b';' => self.semicolon(&token),
                _ => self.token(&token),
            }
        }
        // A literal that runs to the end has swallowed whatever closes the rest.
        let has_run_on = self.lexer.faults.iter().any(|fault| fault.kind.runs_to_the_end());
        if self.lexer.in_statement
            && !has_run_on
            && let Some((kind, start, end)) = self.grammar.unfinished()
        {
            self.lexer.fault(kind, start, end);
        }
        self.finish();
    }

    fn semicolon(&mut self, token: &Token) {
        let delimiter = if self.lexer.has_delimiter() { Delimiter::Other } else { Delimiter::Semicolon };
        if self.lexer.in_version_comment() || !self.grammar.ends_at_semicolon(delimiter) {
            self.tokens.semicolon();
            if let Some(kind) = self.grammar.semicolon() {
                self.lexer.fault(kind, token.start, token.end);
            }
        } else {
            self.finish();
        }
    }

    /// Takes what the grammar need not see, up to a token that it must.
    fn plain(&mut self) -> Token {
        let mut none = Parentheses::default();
        loop {
            let parentheses =
                if let Grammar::Postgres(grammar) = &mut self.grammar { &mut grammar.parentheses } else { &mut none };
            let (start, end) = self.lexer.pass_plain(parentheses);
            if start < end {
                self.piece.end = end;
                if matches!(self.collect, Collect::Tokens) {
                    self.tokens.push_plain(self.bytes, start, end, class::of(self.dialect));
                }
            }
            let token = self.lexer.next();
            if !matches!(token.kind, TokenKind::String | TokenKind::QuotedName) {
                return token;
            }
            self.extend(&token);
        }
    }

    fn token(&mut self, token: &Token) {
        if token.byte == b'$' && self.grammar.takes_dollar_quote() {
            let body = self.lexer.dollar_quote(token.start);
            return self.take(&body);
        }
        self.take(token);
    }

    fn take(&mut self, token: &Token) {
        if !self.lexer.in_statement {
            if self.is_for_the_client(token) {
                return;
            }
            self.lexer.in_statement = true;
            self.piece = Piece { start: token.start, end: token.end, line: token.line, word: (0, 0) };
        }
        if self.piece.word.1 == 0 && matches!(token.kind, TokenKind::Word) {
            self.piece.word = (token.start, token.end);
        }
        if let Some(kind) = self.grammar.token(token, self.bytes) {
            self.lexer.fault(kind, token.start, token.end);
        }
        self.extend(token);
    }

    /// Lets the statement reach to the end of the token.
    fn extend(&mut self, token: &Token) {
        self.piece.end = token.end;
        if matches!(self.collect, Collect::Tokens) {
            self.tokens.push(self.bytes, token.start, token.end);
        }
    }

    /// Takes the lines that a client keeps for itself where a statement could begin.
    fn is_for_the_client(&mut self, token: &Token) -> bool {
        // mysql and its like: `delimiter ` and the rest of the line (mysql.cc: add_line).
        if self.dialect == Dialect::Mysql
            && is_word(token, self.bytes, b"delimiter")
            && self.bytes.get(token.end).is_none_or(u8::is_ascii_whitespace)
        {
            self.lexer.delimiter_line();
            return true;
        }
        // The sqlite3 shell: a line that begins with `.` (cli.html).
        if self.dialect == Dialect::Sqlite && token.byte == b'.' {
            self.lexer.client_line(token.start);
            return true;
        }
        false
    }

    fn finish(&mut self) {
        if self.lexer.in_statement {
            self.lexer.in_statement = false;
            self.pieces.push(self.piece);
            self.tokens.end_statement();
            if self.grammar.data_follows() {
                self.lexer.skip_copied_data();
            }
        }
        self.grammar.begin();
    }
}

/// What ends a statement for MySQL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Semicolon,
    /// What a `DELIMITER` line has set.
    Other,
}

/// What must be remembered of a statement to know whether a `;` ends it.
enum Grammar {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    Mysql(mysql::Mysql),
    Cql(cql::Cql),
}

impl Grammar {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Self::Sqlite(sqlite::Sqlite::default()),
            Dialect::Postgres => Self::Postgres(postgres::Postgres::default()),
            Dialect::Mysql => Self::Mysql(mysql::Mysql::default()),
            Dialect::Cql => Self::Cql(cql::Cql::default()),
        }
    }

    /// Takes a token that is no `;`; gives what is wrong with it.
    fn token(&mut self, token: &Token, bytes: &[u8]) -> Option<FaultKind> {
        match self {
            Self::Sqlite(grammar) => grammar.token(token, bytes),
            Self::Postgres(grammar) => grammar.token(token, bytes),
            Self::Mysql(grammar) => grammar.token(token, bytes),
            Self::Cql(grammar) => return grammar.token(token, bytes),
        }
        None
    }

    /// Whether words do not matter up to the end of the statement.
    fn is_plain(&self) -> bool {
        match self {
            Self::Sqlite(grammar) => grammar.is_plain(),
            Self::Postgres(grammar) => grammar.is_plain(),
            Self::Mysql(grammar) => grammar.is_plain(),
            Self::Cql(grammar) => grammar.is_plain(),
        }
    }

    /// Whether a `$` that comes now begins a string, though the lexer does not know it.
    fn takes_dollar_quote(&self) -> bool {
        matches!(self, Self::Mysql(grammar) if grammar.takes_dollar_quote())
    }

    fn ends_at_semicolon(&mut self, delimiter: Delimiter) -> bool {
        match self {
            Self::Sqlite(grammar) => grammar.ends_at_semicolon(),
            Self::Postgres(grammar) => grammar.ends_at_semicolon(),
            Self::Mysql(grammar) => grammar.ends_at_semicolon(delimiter),
            Self::Cql(grammar) => grammar.ends_at_semicolon(),
        }
    }

    /// Takes a `;` that does not end the statement; gives what is wrong with it.
    fn semicolon(&mut self) -> Option<FaultKind> {
        match self {
            Self::Cql(grammar) => grammar.semicolon(),
            Self::Sqlite(_) | Self::Postgres(_) | Self::Mysql(_) => None,
        }
    }

    /// What is open at the end of the text, and where it was opened.
    fn unfinished(&self) -> Option<(FaultKind, usize, usize)> {
        match self {
            Self::Sqlite(grammar) => grammar.unfinished(),
            Self::Postgres(grammar) => grammar.unfinished(),
            Self::Mysql(grammar) => grammar.unfinished(),
            Self::Cql(grammar) => grammar.unfinished(),
        }
    }

    fn data_follows(&self) -> bool {
        matches!(self, Self::Postgres(grammar) if grammar.data_follows())
    }

    /// Forgets the statement before.
    fn begin(&mut self) {
        match self {
            Self::Sqlite(grammar) => *grammar = sqlite::Sqlite::default(),
            Self::Postgres(grammar) => *grammar = postgres::Postgres::default(),
            Self::Mysql(grammar) => grammar.begin(),
            Self::Cql(grammar) => *grammar = cql::Cql::default(),
        }
    }
}
