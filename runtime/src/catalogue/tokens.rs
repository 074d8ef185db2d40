//! The words of a catalogue's own SQL, so that two texts which say the same are equal: white space, comments, and the case
//! and the quotes of names do not count.

/// Splits SQL into tokens; strings are kept as they are, all else is in lower case and without quotes.
pub(crate) fn tokens(sql: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' | '"' | '`' | '[' => {
                let end = quoted(rest, if first == '[' { ']' } else { first });
                tokens.push(match first {
                    '\'' => rest[..end].to_owned(),
                    _ => rest[1..end].trim_end_matches(['"', '`', ']']).to_lowercase(),
                });
                end
            }
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                tokens.push(rest[..end].to_lowercase());
                end
            }
            _ if OPERATOR.contains(first) => {
                let end = rest.find(|c| !OPERATOR.contains(c)).unwrap_or(rest.len());
                tokens.push(rest[..end].to_owned());
                end
            }
            _ => {
                tokens.push(first.to_string());
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// A text that is equal for all that say the same.
pub(crate) fn normal(sql: &str) -> String {
    joined(&tokens(sql))
}

/// The tokens as a person would write them.
pub(crate) fn joined<T: AsRef<str>>(tokens: &[T]) -> String {
    let mut text = String::new();
    for token in tokens.iter().map(AsRef::as_ref) {
        let sticks = text.is_empty() || text.ends_with(['(', '.']) || matches!(token, ")" | "," | "." | ";");
        text.push_str(if sticks { "" } else { " " });
        text.push_str(token);
    }
    text
}

const OPERATOR: &str = "<>=!|";

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Where what begins with a quote ends; a doubled quote does not end it.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) || quote == ']' {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_comments_case_and_quotes_do_not_count() {
        for (one, other) in [
            ("CREATE VIEW v AS SELECT a  FROM \"users\"", "create view v\nas select a from users -- all"),
            ("a/* b */c", "a c"),
            ("[a] = `b`", "A=B"),
        ] {
            assert_eq!(normal(one), normal(other));
        }
        for (one, other) in [("'A'", "'a'"), ("'a''b'", "'a' 'b'"), ("a1", "a 1")] {
            assert_ne!(normal(one), normal(other));
        }
        assert_eq!(normal("'unterminated"), "'unterminated");
    }
}
