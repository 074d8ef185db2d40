//! Names in CQL.

use std::fmt;

/// What a statement touches; of the keyspace itself the name is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) keyspace: String,
    pub(crate) name: String,
}

impl Name {
    pub(crate) fn new(keyspace: &str, name: &str) -> Self {
        Self { keyspace: keyspace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&written(&self.keyspace))?;
        match self.name.as_str() {
            "" => Ok(()),
            name => write!(f, ".{}", written(name)),
        }
    }
}

/// A name as the database keeps it: without its quotes, and in lower case where it had none.
pub(crate) fn kept(word: &str) -> Option<String> {
    if let Some(rest) = word.strip_prefix('"') {
        let inner = rest.strip_suffix('"')?;
        let is_closed = !inner.replace("\"\"", "").contains('"');
        return (is_closed && !inner.is_empty()).then(|| inner.replace("\"\"", "\""));
    }
    let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| word.to_ascii_lowercase())
}

/// A name as one writes it, and as `system_schema` does inside types: with quotes where it needs them.
pub(crate) fn written(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_written() {
        let cases = [
            ("users", Some("users"), "users"),
            ("Users_2", Some("users_2"), "users_2"),
            ("\"Users\"", Some("Users"), "\"Users\""),
            ("\"users\"", Some("users"), "users"),
            ("\"a \"\"b\"\"\"", Some("a \"b\""), "\"a \"\"b\"\"\""),
            ("\"\"", None, ""),
            ("\"", None, ""),
            ("\"a\"\"", None, ""),
            ("_a", None, ""),
            ("1a", None, ""),
            ("'a'", None, ""),
            ("é", None, ""),
            ("(", None, ""),
        ];
        for (word, expected, text) in cases {
            assert_eq!(kept(word).as_deref(), expected, "{word}");
            assert_eq!(kept(word).map_or(String::new(), |name| written(&name)), text, "{word}");
        }
    }
}
