//! From the text of a JSON object to its keys, texts and lists of texts, each with its place.
//!
//! A manifest holds nothing else; a parser of all of JSON would be compiled before every crate that embeds a set.

use std::ops::Range;

/// A key of the object, and what it is set to.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Text,
    pub(crate) value: Value,
    /// Where the value stands.
    pub(crate) range: Range<usize>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<Text>),
}

/// A text without its quotes, and where it stands with them.
#[derive(Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
}

/// Where the text is no such object, and what should stand there.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) range: Range<usize>,
    pub(crate) expected: &'static str,
}

/// Reads the object (RFC 8259).
///
/// # Errors
/// The first place where it is none.
pub(crate) fn read(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut reader = Reader { text, at: 0 };
    let entries = reader.listed((b'{', b'}'), "`{`", "`,` or `}`", Reader::entry)?;
    if reader.next().is_some() {
        return Err(reader.fault("the end of the file"));
    }
    Ok(entries)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn entry(&mut self) -> Result<Entry, Fault> {
        let key = self.text("a key in `\"`")?;
        self.take(b':', "`:`")?;
        self.next();
        let start = self.at;
        let value = match self.next() {
            Some(b'[') => Value::List(self.listed((b'[', b']'), "`[`", "`,` or `]`", |it| it.text("a text in `\"`"))?),
            _ => Value::Text(self.text("a text in `\"`, or a list of them")?.text),
        };
        Ok(Entry { key, value, range: start..self.at })
    }

    /// What stands between two brackets, with `,` between.
    fn listed<T>(
        &mut self,
        (open, close): (u8, u8),
        opening: &'static str,
        after: &'static str,
        read: impl Fn(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.take(open, opening)?;
        let mut all = Vec::new();
        while self.next() != Some(close) || !all.is_empty() {
            all.push(read(self)?);
            if self.next() == Some(close) {
                break;
            }
            self.take(b',', after)?;
        }
        self.at += 1;
        Ok(all)
    }

    fn text(&mut self, expected: &'static str) -> Result<Text, Fault> {
        self.take(b'"', expected)?;
        let start = self.at - 1;
        let mut text = String::new();
        loop {
            let fault = |expected| Fault { range: start..start + 1, expected };
            let character = self.text[self.at..].chars().next().ok_or_else(|| fault("a `\"` that closes this one"))?;
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(Text { text, range: start..self.at }),
                '\\' => text.push(self.escaped()?),
                character if character < ' ' => return Err(fault("a `\"` that closes this one on its line")),
                character => text.push(character),
            }
        }
    }

    /// The character behind a backslash.
    fn escaped(&mut self) -> Result<char, Fault> {
        let fault = Fault { range: self.at - 1..self.at, expected: "an escape of JSON" };
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        let character = match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode().ok_or(fault),
            _ => return Err(fault),
        };
        Ok(character)
    }

    /// The character of `\u0041`, or of two such that make one.
    fn unicode(&mut self) -> Option<char> {
        let mut units = vec![self.unit()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            units.push(self.unit()?);
        }
        char::decode_utf16(units).next()?.ok()
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| u16::from_str_radix(digits, 16).ok())?
    }

    /// The next byte that is not blank.
    fn next(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.next() != Some(byte) {
            return Err(self.fault(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn fault(&self, expected: &'static str) -> Fault {
        Fault { range: self.at..self.at + 1, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys with their values, a list in brackets.
    fn told(text: &str) -> Result<Vec<String>, (usize, &'static str)> {
        let told = |entry: Entry| match entry.value {
            Value::Text(text) => format!("{}={text}", entry.key.text),
            Value::List(list) => {
                let texts: Vec<String> = list.into_iter().map(|text| text.text).collect();
                format!("{}=[{}]", entry.key.text, texts.join(","))
            }
        };
        let read = read(text).map_err(|fault| (fault.range.start, fault.expected))?;
        Ok(read.into_iter().map(told).collect())
    }

    #[test]
    fn texts_and_lists_of_them() {
        for (text, entries) in [
            ("{}", &[][..]),
            (" { \"a\" : \"b\" ,\r\n\t\"c\":[ ] } \n", &["a=b", "c=[]"]),
            (r#"{"a":["b","c"],"a":""}"#, &["a=[b,c]", "a="]),
            (r#"{"\"\\\/\b\f\n\r\t":"é\u00e9\ud83d\ude00"}"#, &["\"\\/\u{8}\u{c}\n\r\t=éé😀"]),
        ] {
            assert_eq!(told(text).unwrap(), entries, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_with_what_should_stand_there() {
        for (text, at, expected) in [
            ("", 0, "`{`"),
            ("[]", 0, "`{`"),
            ("{} x", 3, "the end of the file"),
            ("{a:1}", 1, "a key in `\"`"),
            ("{\"a\" 1}", 5, "`:`"),
            ("{\"a\":1}", 5, "a text in `\"`, or a list of them"),
            ("{\"a\":{}}", 5, "a text in `\"`, or a list of them"),
            ("{\"a\":[1]}", 6, "a text in `\"`"),
            ("{\"a\":[\"b\" \"c\"]}", 10, "`,` or `]`"),
            ("{\"a\":[\"b\",]}", 10, "a text in `\"`"),
            ("{\"a\":\"b\",}", 9, "a key in `\"`"),
            ("{\"a\":\"b\"", 8, "`,` or `}`"),
            ("{\"a", 1, "a `\"` that closes this one"),
            ("{\"a\n\":\"\"}", 1, "a `\"` that closes this one on its line"),
            (r#"{"\x":""}"#, 2, "an escape of JSON"),
            (r#"{"\u12":""}"#, 2, "an escape of JSON"),
            (r#"{"\ud800":""}"#, 2, "an escape of JSON"),
            (r#"{"\u00é":""}"#, 2, "an escape of JSON"),
            (r#"{"\"#, 2, "an escape of JSON"),
        ] {
            assert_eq!(told(text), Err((at, expected)), "{text}");
        }
    }
}
