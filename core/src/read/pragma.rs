//! SQLite's `PRAGMA foreign_keys`, which does nothing inside a transaction.

use super::page::Page;
use crate::lex::is_word;
use crate::lex::{Lexer, Token, TokenKind};
use crate::script::Options;
use crate::{Dialect, Statement};

/// Reads `PRAGMA foreign_keys = OFF` as the directive `foreign-keys off`, and takes the PRAGMAs that it stands for out
/// of the statements: the runner sets them around the transaction.
///
/// Left inside, a table rebuild deleted the rows of its children, silently: `DROP TABLE` cascades (tried).
pub(super) fn take_foreign_keys(page: &Page<'_>, statements: &mut Vec<Statement>, options: &mut Options) {
    if !page.reads_as(Dialect::Sqlite) {
        return;
    }
    let setting = |statement: &Statement| setting(&page.text[statement.range()]);
    if statements.iter().any(|statement| setting(statement) == Some(Setting::ForeignKeysOff)) {
        options.foreign_keys_off = true;
    }
    let is_ours = |found: Option<Setting>| match found {
        Some(Setting::ForeignKeysOff | Setting::ForeignKeysOn) => true,
        // Alone, it does what it says also inside a transaction.
        Some(Setting::LegacyAlterTable) => options.foreign_keys_off,
        None => false,
    };
    statements.retain(|statement| !is_ours(setting(statement)));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    ForeignKeysOff,
    ForeignKeysOn,
    LegacyAlterTable,
}

/// `PRAGMA [schema.]name = value` or `PRAGMA [schema.]name(value)`.
fn setting(statement: &str) -> Option<Setting> {
    // Most statements are told apart by this byte alone.
    if !statement.starts_with(['p', 'P']) {
        return None;
    }
    let bytes = statement.as_bytes();
    let mut lexer = Lexer::new(bytes, Dialect::Sqlite);
    if !is_word(&lexer.next(), bytes, b"pragma") {
        return None;
    }
    let mut name = lexer.next();
    let mut sign = lexer.next();
    if sign.byte == b'.' {
        (name, sign) = (lexer.next(), lexer.next());
    }
    let value = lexer.next();
    if !matches!(sign.byte, b'=' | b'(') {
        None
    } else if is_name(&name, bytes, "foreign_keys") {
        Some(if is_on(&value, bytes) { Setting::ForeignKeysOn } else { Setting::ForeignKeysOff })
    } else if is_name(&name, bytes, "legacy_alter_table") {
        Some(Setting::LegacyAlterTable)
    } else {
        None
    }
}

fn is_name(token: &Token, bytes: &[u8], name: &str) -> bool {
    unquoted(token, bytes).eq_ignore_ascii_case(name.as_bytes())
}

/// SQLite's `getBoolean` (pragma.c): a number but 0, `on`, `yes` and `true` mean on, all else off.
fn is_on(token: &Token, bytes: &[u8]) -> bool {
    let value = unquoted(token, bytes);
    let is_number = value.first().is_some_and(u8::is_ascii_digit);
    let is_word = |word: &str| value.eq_ignore_ascii_case(word.as_bytes());
    (is_number && value.iter().any(|&digit| digit != b'0')) || is_word("on") || is_word("yes") || is_word("true")
}

fn unquoted<'a>(token: &Token, bytes: &'a [u8]) -> &'a [u8] {
    let is_quoted = matches!(token.kind, TokenKind::String | TokenKind::QuotedName) && token.end > token.start + 1;
    if is_quoted { &bytes[token.start + 1..token.end - 1] } else { &bytes[token.start..token.end] }
}
