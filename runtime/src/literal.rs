//! Values inside our SQL, where the simple protocol binds none.

use whimbrel_core::Dialect;

/// Appends a value as a string literal that the dialect reads back as the same text.
///
/// PostgreSQL: `E'…'` with `'` and `\` doubled, right under both settings of `standard_conforming_strings` (manual,
/// 4.1.2.2). SQLite: `'…'` with `'` doubled. MySQL: the same for what every character set and `sql_mode` reads alike,
/// and all else in hexadecimal (manual, 9.1.4). No server takes a NUL in a text; it becomes U+FFFD.
pub(crate) fn push_literal(sql: &mut String, dialect: Dialect, value: &str) {
    if dialect == Dialect::Mysql && !value.bytes().all(|byte| byte.is_ascii() && byte != 0 && byte != b'\\') {
        return push_hexadecimal(sql, value);
    }
    let escapes = dialect == Dialect::Postgres;
    sql.reserve(value.len() + 3);
    sql.push_str(if escapes { "E'" } else { "'" });
    let mut copied = 0;
    for (at, byte) in value.bytes().enumerate() {
        let doubled = byte == b'\'' || (escapes && byte == b'\\');
        if doubled || byte == 0 {
            sql.push_str(&value[copied..at]);
            sql.push_str(match byte {
                b'\'' => "''",
                b'\\' => "\\\\",
                _ => "\u{fffd}",
            });
            copied = at + 1;
        }
    }
    sql.push_str(&value[copied..]);
    sql.push('\'');
}

fn push_hexadecimal(sql: &mut String, value: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    sql.reserve(2 * value.len() + 14);
    sql.push_str("_utf8mb4 X'");
    for byte in value.bytes() {
        sql.push(DIGITS[usize::from(byte >> 4)].into());
        sql.push(DIGITS[usize::from(byte & 15)].into());
    }
    sql.push('\'');
}

/// A value as a literal; `None` is `NULL`.
pub(crate) fn literal<'v>(dialect: Dialect, value: impl Into<Option<&'v str>>) -> String {
    let Some(value) = value.into() else { return "NULL".to_owned() };
    let mut sql = String::new();
    push_literal(&mut sql, dialect, value);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_quotes() {
        assert_eq!(literal(Dialect::Postgres, r"it's \'; DROP"), r"E'it''s \\''; DROP'");
        assert_eq!(literal(Dialect::Sqlite, r"it's \'; DROP"), r"'it''s \''; DROP'");
        assert_eq!(literal(Dialect::Sqlite, "a\0b"), "'a\u{fffd}b'");
        assert_eq!(literal(Dialect::Mysql, "it's"), "'it''s'");
        assert_eq!(literal(Dialect::Mysql, r"\'"), "_utf8mb4 X'5c27'");
        assert_eq!(literal(Dialect::Mysql, "ü"), "_utf8mb4 X'c3bc'");
        assert_eq!(literal(Dialect::Postgres, None), "NULL");
    }
}
