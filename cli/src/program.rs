//! What the user typed to get here: `shop migrate`, so that messages can be typed as they stand.

use std::env;
use std::ffi::OsString;
use std::path::Path;

/// The words before the command, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Program(String);

impl Program {
    /// The program's name, and the words behind it up to the command or the first option: an option's value may be a
    /// secret.
    pub(crate) fn called(command: &str) -> Self {
        Self::of(env::args_os(), command)
    }

    fn of(arguments: impl Iterator<Item = OsString>, command: &str) -> Self {
        let mut arguments = arguments;
        let first = arguments.next().unwrap_or_default();
        let name = Path::new(&first).file_stem().map_or_else(|| "whimbrel".into(), |stem| stem.to_string_lossy());
        let words = arguments.map(|word| word.to_string_lossy().into_owned());
        let is_plain = |word: &String| word.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_'));
        let mut before: Vec<String> = words.take_while(|word| !word.starts_with('-') && is_plain(word)).collect();
        // `up` may be written `migrate`.
        let at = before.iter().position(|word| word == command).or_else(|| {
            let alias = if command == "up" { "migrate" } else { command };
            before.iter().rposition(|word| word == alias)
        });
        before.truncate(at.unwrap_or(before.len()));
        Self([&[name.into_owned()], &before[..]].concat().join(" "))
    }

    /// `shop migrate`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The library's texts call the command line `migrate`: here they say what the user types.
    pub(crate) fn spoken(&self, text: &str) -> String {
        text.replace("`migrate ", &format!("`{} ", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_user_typed() {
        for (typed, command, called) in [
            (&["target/debug/shop", "migrate", "status"][..], "status", "shop migrate"),
            (&["/usr/bin/whimbrel", "status", "--json"], "status", "whimbrel"),
            (&["shop", "db", "migrate", "--database-url", "postgres://a:b@c", "status"], "status", "shop db migrate"),
            (&["shop", "migrate", "migrate", "3"], "up", "shop migrate"),
            (&["whimbrel", "migrate"], "up", "whimbrel"),
            (&["shop.exe", "postgres://a:b@c"], "status", "shop"),
        ] {
            let program = Program::of(typed.iter().map(OsString::from), command);
            assert_eq!(program.name(), called);
        }
        let program = Program("shop migrate".to_owned());
        assert_eq!(program.spoken("`migrate up` takes over"), "`shop migrate up` takes over");
    }
}
