//! From the text of a TOML file to its settings: known keys only, each with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;
use crate::{Place, Problem};

/// A TOML file that is being read, and what was found wrong with it.
pub(crate) struct Settings<'t> {
    text: &'t str,
    shown: &'t str,
    table: Vec<(Range<usize>, String, Spanned<DeValue<'t>>)>,
    problems: Vec<Problem>,
    /// The keys of which it may say something that cannot be read.
    in_doubt: Vec<String>,
}

impl<'t> Settings<'t> {
    /// Reads the file; a key that is not known is a problem.
    pub(crate) fn read(text: &'t str, shown: &'t str, known: &[&str]) -> Self {
        let mut settings = Self { text, shown, table: Vec::new(), problems: Vec::new(), in_doubt: Vec::new() };
        match DeTable::parse(text) {
            Ok(table) => settings.keep_known(table.into_inner(), known),
            Err(error) => {
                settings.refuse_syntax(&error);
                settings.in_doubt = known.iter().map(|key| (*key).to_owned()).collect();
            }
        }
        settings
    }

    fn keep_known(&mut self, table: DeTable<'t>, known: &[&str]) {
        for (key, value) in table {
            let name = key.get_ref().to_string();
            if known.contains(&name.as_str()) {
                self.table.push((key.span(), name, value));
                continue;
            }
            let near = nearest(&name, known.iter().copied());
            self.in_doubt.extend(near.map(str::to_owned));
            let help = match near {
                Some(near) => format!("write `{near}`"),
                None => format!("delete it; the keys are {}", quoted(known)),
            };
            let problem = Problem::new("unknown-key", format!("there is no key `{name}`"));
            self.problems.push(problem.at(self.place(key.span())).help(help));
        }
    }

    fn refuse_syntax(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        let message = format!("this is not TOML: {}", error.message());
        let problem = Problem::new("config-syntax", message).at(self.place(span));
        self.problems.push(problem.help("write `key = \"value\"`, one a line"));
    }

    /// The place of a span of the file.
    fn place(&self, span: Range<usize>) -> Place {
        Place::in_text(self.shown, self.text, span)
    }

    /// Takes a setting: `read` gives its value, or says what to write instead.
    pub(crate) fn take<T>(&mut self, key: &str, read: impl FnOnce(&DeValue<'t>) -> Result<T, String>) -> Option<T> {
        let at = self.table.iter().position(|(_, known, _)| known == key)?;
        let (_, _, value) = self.table.swap_remove(at);
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(help) => {
                let written = self.text.get(value.span()).unwrap_or("");
                let message = format!("`{key}` cannot be {}", written.trim());
                let problem = Problem::new("bad-value", message).at(self.place(value.span()));
                self.problems.push(problem.help(help));
                self.in_doubt.push(key.to_owned());
                None
            }
        }
    }

    /// Whether it may say something of the key that cannot be read.
    pub(crate) fn is_in_doubt(&self, key: &str) -> bool {
        self.in_doubt.iter().any(|doubtful| doubtful == key)
    }

    /// The problems, in the order of the file.
    pub(crate) fn problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place().map(|place| (place.line(), place.column())));
        self.problems
    }
}

/// A text, or what to write instead.
pub(crate) fn text<'v>(value: &'v DeValue<'_>, example: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("write a text, such as `{example}`"))
}

/// The one of the values that the text names, or what to write instead.
pub(crate) fn one_of<T: Copy>(text: &str, values: &[(&str, T)]) -> Result<T, String> {
    let found = values.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        match nearest(text, names.iter().copied()) {
            Some(near) => format!("write `\"{near}\"`"),
            None => format!("write one of {}", quoted(&names)),
        }
    })
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
