//! MySQL and MariaDB: a `;` ends a statement, but for those in the body of a routine, trigger or event.
//!
//! Their clients leave that to `DELIMITER`; here the blocks of the body are followed (MySQL manual 15.6, MariaDB:
//! Programmatic & Compound Statements), so that a script needs none.

use super::Delimiter;
use crate::lex::{FaultKind, Token, TokenKind};
use crate::lex::{is_any, is_word};

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `BEGIN`: a transaction, or MariaDB's `BEGIN NOT ATOMIC`.
    Begin,
    BeginNot,
    /// After `CREATE` or `ALTER`, with `OR REPLACE`, `DEFINER = …`, `AGGREGATE`.
    Create,
    /// After `CREATE` and what is not known here, and so may have a body.
    Unknown,
    /// In the head of a trigger, up to `FOR EACH ROW`.
    Trigger,
    /// In the head of an event, up to `DO`.
    Event,
    /// In the head of a procedure or function, up to the `)` of its parameters.
    Routine,
    /// Where the body can begin, among `DETERMINISTIC`, `COMMENT '…'` and their like.
    Head,
    Body,
    Plain,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    If,
    Case,
    /// A `CASE` inside an expression: ends with a bare `END`.
    CaseExpression,
    Loop,
    Repeat,
    /// A `REPEAT` behind its `UNTIL`, whose condition ends with the block.
    Until,
    /// `WHILE` and MariaDB's `FOR`, which have a `DO`.
    While,
    /// `CREATE PACKAGE [BODY] … END` of MariaDB: routines, one after the other.
    Package,
}

/// The words that open a block where a statement can begin.
const BLOCKS: [(&[u8], Block); 7] = [
    (b"begin", Block::Begin),
    (b"if", Block::If),
    (b"case", Block::Case),
    (b"loop", Block::Loop),
    (b"repeat", Block::Repeat),
    (b"while", Block::While),
    (b"for", Block::While),
];

/// After `END` these belong to it.
const AFTER_END: [&[u8]; 6] = [b"if", b"case", b"loop", b"repeat", b"while", b"for"];

/// The verbs of a body that is one plain statement; in it, `IF` and `REPEAT` are functions.
const VERBS: [&[u8]; 14] = [
    b"return", b"select", b"insert", b"update", b"delete", b"replace", b"set", b"call", b"do", b"with", b"create",
    b"alter", b"drop", b"execute",
];

/// What is made without a body, by the first word behind `CREATE` or `ALTER` (MySQL manual 15.1).
const WITHOUT_BODY: [&[u8]; 21] = [
    b"table",
    b"temporary",
    b"online",
    b"ignore",
    b"index",
    b"unique",
    b"fulltext",
    b"spatial",
    b"vector",
    b"view",
    b"algorithm",
    b"sql",
    b"database",
    b"schema",
    b"user",
    b"role",
    b"server",
    b"sequence",
    b"tablespace",
    b"undo",
    b"logfile",
];

#[derive(Default)]
pub(super) struct Mysql {
    state: State,
    blocks: Vec<Block>,
    /// The word that opened the first of them.
    opened: (usize, usize),
    parentheses: usize,
    /// Whether a statement of the body can begin with the next token.
    at_statement: bool,
    /// Whether a statement of the body began with the last token, which may be a label.
    at_label: bool,
    /// Whether these are the conditions of a `DECLARE … HANDLER FOR …`; a statement follows the last.
    in_conditions: bool,
    /// Whether the head names a language that is not SQL; PL/pgSQL is none of MySQL's.
    in_other_language: bool,
    previous: Previous,
}

/// What the token before was, where it says what the next word means.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Previous {
    #[default]
    Other,
    End,
    Dot,
    /// `=` or `@`, as in `DEFINER = a@b`.
    Definer,
    /// `RETURNS SET(…)`, `CHARACTER SET utf8`, `FOLLOWS other`.
    NameFollows,
    /// `AS` before a body in another language.
    As,
    Handler,
}

impl Mysql {
    /// Forgets the statement before, but keeps the room for blocks.
    pub(super) fn begin(&mut self) {
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.clear();
        *self = Self { blocks, ..Self::default() };
    }

    pub(super) fn token(&mut self, token: &Token, bytes: &[u8]) {
        if matches!(self.state, State::Plain) {
            return;
        }
        match token.kind {
            TokenKind::Word => self.word(token, bytes),
            TokenKind::Mark => self.mark(token),
            TokenKind::VersionComment => {}
            _ => {
                self.at_label = self.at_statement;
                // `SQLSTATE '…'`
                self.at_statement = self.in_conditions;
                self.previous = Previous::Other;
            }
        }
    }

    /// Whether a body in dollar quotes can begin here: `LANGUAGE JAVASCRIPT AS $$ … $$` (MySQL manual 27.3). Anywhere
    /// else, and for all servers before 8.1, a `$` begins a name.
    pub(super) fn takes_dollar_quote(&self) -> bool {
        self.state == State::Head && self.previous == Previous::As
    }

    fn mark(&mut self, token: &Token) {
        match token.byte {
            b'(' => self.parentheses += 1,
            b')' => {
                self.parentheses = self.parentheses.saturating_sub(1);
                if self.state == State::Routine && self.parentheses == 0 {
                    self.state = State::Head;
                }
            }
            _ => {}
        }
        // `label: LOOP` (MySQL manual 15.6.2).
        self.at_statement = token.byte == b':' && self.at_label;
        self.at_label = false;
        self.previous = match token.byte {
            b'.' => Previous::Dot,
            b'=' | b'@' => Previous::Definer,
            _ => Previous::Other,
        };
    }

    fn word(&mut self, token: &Token, bytes: &[u8]) {
        let previous = self.previous;
        self.previous = Previous::Other;
        if previous == Previous::Dot {
            return;
        }
        match self.state {
            State::Start => self.first_word(token, bytes),
            State::Begin if is_word(token, bytes, b"not") => self.state = State::BeginNot,
            State::BeginNot if is_word(token, bytes, b"atomic") => self.open(Block::Begin, token),
            State::Begin | State::BeginNot | State::Plain => self.state = State::Plain,
            State::Unknown => {}
            State::Create => self.create_word(token, bytes, previous),
            State::Trigger if is_word(token, bytes, b"row") => self.state = State::Head,
            State::Event if is_word(token, bytes, b"do") && self.parentheses == 0 => self.state = State::Head,
            State::Trigger | State::Event | State::Routine => {}
            State::Head => self.head_word(token, bytes, previous),
            State::Body => self.body_word(token, bytes, previous),
        }
    }

    fn first_word(&mut self, token: &Token, bytes: &[u8]) {
        if is_any(token, bytes, &[b"create", b"alter"]) {
            self.state = State::Create;
        } else if is_word(token, bytes, b"begin") {
            self.state = State::Begin;
        } else if let Some(block) = block_of(token, bytes) {
            // MariaDB takes compound statements outside routines too.
            self.open(block, token);
        } else {
            self.state = State::Plain;
        }
    }

    fn create_word(&mut self, token: &Token, bytes: &[u8], previous: Previous) {
        if previous == Previous::Definer || is_any(token, bytes, &[b"or", b"replace", b"definer", b"aggregate"]) {
            return;
        }
        // The parentheses of `DEFINER = CURRENT_USER()` are closed by now.
        self.state = if is_any(token, bytes, &[b"procedure", b"function"]) {
            State::Routine
        } else if is_word(token, bytes, b"trigger") {
            State::Trigger
        } else if is_word(token, bytes, b"event") {
            State::Event
        } else if is_word(token, bytes, b"library") {
            State::Head
        } else if is_word(token, bytes, b"package") {
            return self.open(Block::Package, token);
        } else if is_any(token, bytes, &WITHOUT_BODY) {
            State::Plain
        } else {
            State::Unknown
        };
    }

    fn head_word(&mut self, token: &Token, bytes: &[u8], previous: Previous) {
        if previous == Previous::NameFollows || self.parentheses > 0 {
            return;
        }
        if is_any(token, bytes, &[b"returns", b"character", b"charset", b"collate", b"follows", b"precedes"]) {
            self.previous = Previous::NameFollows;
        } else if is_any(token, bytes, &[b"javascript", b"wasm"]) {
            self.in_other_language = true;
        } else if is_word(token, bytes, b"as") && self.in_other_language {
            self.previous = Previous::As;
        } else if let Some(block) = block_of(token, bytes) {
            self.open(block, token);
        } else if is_any(token, bytes, &VERBS) {
            self.state = State::Plain;
        }
    }

    fn body_word(&mut self, token: &Token, bytes: &[u8], previous: Previous) {
        if previous == Previous::End && is_any(token, bytes, &AFTER_END) {
            return;
        }
        let at_statement = std::mem::replace(&mut self.at_statement, false);
        self.at_label = at_statement;
        if is_word(token, bytes, b"end") {
            self.end_word(at_statement);
        } else if self.blocks.last() == Some(&Block::Package) {
            if is_any(token, bytes, &[b"procedure", b"function"]) {
                self.state = State::Routine;
            }
        } else if at_statement {
            self.in_conditions = false;
            match block_of(token, bytes) {
                Some(block) => self.open(block, token),
                None if is_word(token, bytes, b"until") => self.until(),
                None => self.at_statement = is_word(token, bytes, b"else"),
            }
        } else {
            self.inner_word(token, bytes, previous);
        }
    }

    fn until(&mut self) {
        if let Some(block @ Block::Repeat) = self.blocks.last_mut() {
            *block = Block::Until;
        }
    }

    /// An `END` ends a block where a statement can begin, a `CASE` in an expression, or a `REPEAT … UNTIL …`.
    fn end_word(&mut self, at_statement: bool) {
        let ends_here = matches!(self.blocks.last(), Some(Block::CaseExpression | Block::Until | Block::Package));
        if at_statement || ends_here {
            self.blocks.pop();
            self.previous = Previous::End;
        }
    }

    /// A word inside a statement of the body.
    fn inner_word(&mut self, token: &Token, bytes: &[u8], previous: Previous) {
        let top = self.blocks.last().copied();
        if self.in_conditions {
            self.at_statement = !is_any(token, bytes, &[b"sqlstate", b"value", b"not"]);
        } else if previous == Previous::Handler {
            self.in_conditions = is_word(token, bytes, b"for");
        } else if is_word(token, bytes, b"case") {
            self.blocks.push(Block::CaseExpression);
        } else if is_word(token, bytes, b"then") {
            self.at_statement = matches!(top, Some(Block::If | Block::Case));
        } else if is_word(token, bytes, b"do") {
            self.at_statement = top == Some(Block::While);
        } else if is_word(token, bytes, b"handler") {
            self.previous = Previous::Handler;
        }
    }

    fn open(&mut self, block: Block, token: &Token) {
        if self.blocks.is_empty() {
            self.opened = (token.start, token.end);
        }
        self.state = State::Body;
        self.in_conditions = false;
        self.at_label = false;
        self.at_statement = matches!(block, Block::Begin | Block::Loop | Block::Repeat);
        self.blocks.push(block);
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    pub(super) fn ends_at_semicolon(&mut self, delimiter: Delimiter) -> bool {
        self.at_statement = true;
        self.at_label = false;
        self.in_conditions = false;
        self.previous = Previous::Other;
        if !self.blocks.is_empty() {
            self.state = State::Body;
            return false;
        }
        // A client sends all up to the delimiter at once, and the server cuts it at each `;` that no body holds
        // (mysql.cc: CLIENT_MULTI_STATEMENTS). Where a body may be, the delimiter is believed, and not the blocks.
        delimiter == Delimiter::Semicolon || !matches!(self.state, State::Head | State::Body | State::Unknown)
    }

    pub(super) fn unfinished(&self) -> Option<(FaultKind, usize, usize)> {
        (!self.blocks.is_empty()).then_some((FaultKind::Body, self.opened.0, self.opened.1))
    }
}

fn block_of(token: &Token, bytes: &[u8]) -> Option<Block> {
    let mut index = 0;
    while index < BLOCKS.len() {
        if is_word(token, bytes, BLOCKS[index].0) {
            return Some(BLOCKS[index].1);
        }
        index += 1;
    }
    None
}
