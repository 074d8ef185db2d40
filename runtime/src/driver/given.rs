//! What sqlx's options for a connection hold, and do not show but in their URL.

/// The URL of options, which are changed so that it can be read whatever their host and user are.
pub(crate) struct Given {
    password: Option<String>,
    pairs: Vec<(String, String)>,
}

impl Given {
    pub(crate) fn of(options: &impl sqlx::ConnectOptions) -> Self {
        let url = options.to_url_lossy();
        let pairs = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Self { password: url.password().map(decoded), pairs }
    }

    pub(crate) fn password(&self) -> Option<String> {
        self.password.clone()
    }

    /// The value of a parameter.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// The same, where it is the path of a file: a certificate may stand there itself.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        self.value(name).filter(|value| !value.contains("-----BEGIN"))
    }
}

/// `%41` is `A`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_as_it_was() {
        for (given, expected) in [("a%40b%25", "a@b%"), ("%C3%A4", "ä"), ("%", "%"), ("%zz1", "%zz1"), ("", "")] {
            assert_eq!(decoded(given), expected);
        }
    }
}
