//! Values inside our SQL, where the simple protocol binds none.

use whimbrel_core::Dialect;

/// Appends a value as a string literal that the dialect reads back as the same text.
///
/// PostgreSQL: `E'…'` with `'` and `\` doubled, right under both settings of `standard_conforming_strings` (manual,
/// 4.1.2.2). SQLite: `'…'` with `'` doubled. No server takes a NUL in a text; it becomes U+FFFD.
pub(crate) fn push_literal(sql: &mut String, dialect: Dialect, value: &str) {
    let escapes = dialect != Dialect::Sqlite;
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
        assert_eq!(literal(Dialect::Postgres, None), "NULL");
    }
}
