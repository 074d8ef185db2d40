//! Statements that no migration can hold: the runner, or the database driver, would not survive them.

use super::page::Page;
use crate::facts::Piece;
use crate::split::Cut;
use crate::{Dialect, facts};

struct Refusal {
    dialect: Dialect,
    verb: &'static [u8],
    /// What follows the verb.
    shape: &'static str,
    code: &'static str,
    message: &'static str,
    help: &'static str,
}

/// What is refused by its words alone.
const REFUSALS: &[Refusal] = &[
    Refusal {
        dialect: Dialect::Postgres,
        // Tried: the next request hangs.
        verb: b"copy",
        shape: ".. from stdin",
        code: "copy-stdin",
        message: "COPY … FROM STDIN reads data from a client, and a script has none",
        help: "write INSERT statements, or copy from a file of the server",
    },
    Refusal {
        dialect: Dialect::Postgres,
        verb: b"copy",
        shape: ".. to stdout",
        code: "copy-stdout",
        message: "COPY … TO STDOUT sends data to a client, and none reads it",
        help: "copy to a file of the server, or remove it",
    },
    Refusal {
        dialect: Dialect::Postgres,
        // Tried: the row of the history goes away with it, and COMMIT only warns.
        verb: b"prepare",
        shape: "transaction",
        code: "prepare-transaction",
        message: "PREPARE TRANSACTION takes the transaction, and the history's row with it, away from the runner",
        help: "remove it: the runner commits",
    },
    Refusal {
        dialect: Dialect::Postgres,
        verb: b"discard",
        shape: "all",
        code: "discard-all",
        message: "DISCARD ALL drops the locks and prepared statements of the runner",
        help: "remove it: the runner resets the session after each script",
    },
    Refusal {
        dialect: Dialect::Postgres,
        verb: b"deallocate",
        shape: "?prepare all",
        code: "deallocate-all",
        message: "DEALLOCATE ALL drops the prepared statements of the driver",
        help: "deallocate by name what the script has prepared",
    },
    Refusal {
        dialect: Dialect::Postgres,
        // Tried: run again after a crash, it made a second index.
        verb: b"create",
        shape: "?unique index concurrently on",
        code: "unnamed-concurrent-index",
        message: "an index that is built concurrently needs a name, or a run that was cut off builds it twice",
        help: "give it a name: `CREATE INDEX CONCURRENTLY name ON …`",
    },
    Refusal {
        dialect: Dialect::Cql,
        verb: b"use",
        shape: "",
        code: "use-keyspace",
        message: "USE changes one connection of many",
        help: "write the keyspace before the names: `keyspace.table`",
    },
    no_transactions(b"commit"),
    no_transactions(b"rollback"),
    no_transactions(b"start"),
];

/// What begins or ends a transaction elsewhere.
const fn no_transactions(verb: &'static [u8]) -> Refusal {
    let (message, help) =
        ("CQL has no transactions of several statements", "remove it, or write a batch: `BEGIN BATCH`");
    Refusal { dialect: Dialect::Cql, verb, shape: "", code: "no-transactions", message, help }
}

/// What the mysql client carries out itself (MySQL manual 6.5.1.2); none of these begins a statement of the server.
const MYSQL_WORDS: &[&[u8]] = &[
    b"source",
    b"system",
    b"tee",
    b"notee",
    b"pager",
    b"nopager",
    b"prompt",
    b"rehash",
    b"status",
    b"warnings",
    b"nowarning",
    b"charset",
    b"connect",
    b"quit",
    b"exit",
    b"edit",
    b"ego",
    b"print",
];

/// What cqlsh carries out itself (Cassandra manual, cqlsh: special commands).
const CQLSH_WORDS: &[&[u8]] = &[
    b"source",
    b"copy",
    b"describe",
    b"desc",
    b"consistency",
    b"serial",
    b"capture",
    b"expand",
    b"exit",
    b"quit",
    b"help",
    b"login",
    b"paging",
    b"show",
    b"tracing",
    b"clear",
    b"cls",
    b"history",
    b"unicode",
    b"debug",
    b"elapsed",
];

/// Notes every statement that is refused under one of the dialects.
pub(super) fn check(page: &mut Page<'_>, cuts: &[Cut]) {
    for (&dialect, cut) in page.outline.read_as.iter().zip(cuts) {
        for piece in &cut.pieces {
            match dialect {
                Dialect::Postgres => {
                    check_words(page, dialect, piece);
                    check_conforming_strings(page, piece);
                }
                Dialect::Mysql => {
                    check_client_words(page, piece, "the mysql client, not SQL", MYSQL_WORDS);
                    check_sql_mode(page, piece);
                }
                Dialect::Cql => {
                    check_words(page, dialect, piece);
                    check_begin(page, piece);
                    check_client_words(page, piece, "cqlsh, not CQL", CQLSH_WORDS);
                }
                // Its shell's commands begin with `.`; the splitter finds them.
                Dialect::Sqlite => {}
            }
        }
    }
}

fn check_words(page: &mut Page<'_>, dialect: Dialect, piece: &Piece) {
    let word = facts::first_word(page.text, piece);
    let mut index = 0;
    while index < REFUSALS.len() {
        let refusal = &REFUSALS[index];
        if facts::is(word, refusal.verb)
            && refusal.dialect == dialect
            && facts::rest(page.text, dialect, piece).has(refusal.shape)
        {
            page.wrong(piece.start..piece.end, refusal.code, refusal.message, refusal.help);
        }
        index += 1;
    }
}

/// What may follow `BEGIN` (Parser.g: batchStatement, batchTxnStatement).
const BEGUN: &str = "batch|unlogged|counter|transaction";

fn check_begin(page: &mut Page<'_>, piece: &Piece) {
    if facts::is(facts::first_word(page.text, piece), b"begin")
        && !facts::rest(page.text, Dialect::Cql, piece).has(BEGUN)
    {
        let help = "write `BEGIN BATCH`, `BEGIN UNLOGGED BATCH` or `BEGIN COUNTER BATCH`, or remove it";
        page.wrong(piece.word.0..piece.word.1, "no-transactions", "no batch follows this `BEGIN`", help);
    }
}

fn check_client_words(page: &mut Page<'_>, piece: &Piece, client: &str, words: &[&[u8]]) {
    let word = facts::first_word(page.text, piece);
    let mut index = 0;
    while index < words.len() {
        if facts::is(word, words[index]) {
            let range = piece.word.0..piece.word.1;
            let message = format!("`{}` is a command of {client}", page.text[range.clone()].to_uppercase());
            let help = "write what it does as a statement, or remove it";
            return page.wrong(range, "client-command", message, help);
        }
        index += 1;
    }
}

/// What sets `standard_conforming_strings`, up to the value; with ALTER for every session to come, the runner's too.
const CONFORMING_STRINGS: [(&[u8], &str); 3] = [
    (b"set", "?session|local standard_conforming_strings =|to"),
    (b"select", ".. set_config ( 'standard_conforming_strings' ,"),
    (b"alter", "role|user|database|system .. set standard_conforming_strings =|to"),
];

/// Off is spelled in many more ways, `fals` and `00` among them (bool.c: parse_bool; tried).
const ON: &str = "on|true|yes|1|'on'|'true'|'yes'|'1'|default";

fn check_conforming_strings(page: &mut Page<'_>, piece: &Piece) {
    let word = facts::first_word(page.text, piece);
    for (verb, sets) in CONFORMING_STRINGS {
        if facts::is(word, verb) {
            let mut rest = facts::rest(page.text, Dialect::Postgres, piece);
            if rest.has(sets) && !rest.has(&format!("{sets} {ON}")) {
                let message = "with standard_conforming_strings off, backslashes change where strings end";
                let help = "remove it, and write strings that have escapes as `E'…'`";
                page.wrong(piece.start..piece.end, "changes-quoting", message, help);
            }
        }
    }
}

/// The modes that change where literals end (MySQL manual 7.1.11), with MariaDB's that imply ANSI_QUOTES.
const MODES: [&str; 8] =
    ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI", "ORACLE", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"];

fn check_sql_mode(page: &mut Page<'_>, piece: &Piece) {
    if !facts::is(facts::first_word(page.text, piece), b"set") {
        return;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = page.text[piece.start..piece.end].split(|c| !is_part(c));
    if !words.any(|word| word.eq_ignore_ascii_case("sql_mode")) {
        return;
    }
    if let Some(mode) = words.find_map(|word| MODES.into_iter().find(|mode| mode.eq_ignore_ascii_case(word))) {
        page.wrong(
            piece.start..piece.end,
            "changes-quoting",
            format!("sql_mode {mode} changes where strings and names end"),
            "remove it, and quote names with backticks and strings with `'`",
        );
    }
}
