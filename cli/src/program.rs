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

    /// Whether a URL stands behind the command where none belongs: it would be taken for a name, and told.
    pub(crate) fn has_stray_url(command: &str) -> bool {
        has_stray_url(env::args().skip(1), command)
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

fn has_stray_url(arguments: impl Iterator<Item = String>, command: &str) -> bool {
    let mut behind = arguments.skip_while(|argument| argument != command).skip(1);
    let takes_one = |option: &str| matches!(option, "--database-url" | "--scratch-url");
    while let Some(argument) = behind.next() {
        let (option, value) = argument.split_once('=').unwrap_or((&argument, ""));
        if takes_one(option) {
            if value.is_empty() {
                behind.next();
            }
        } else if argument.contains("://") {
            return true;
        }
    }
    false
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

    #[test]
    fn a_url_stands_only_where_one_is_wanted() {
        for (typed, is_stray) in [
            ("shop --db postgres://a:b@c migrate up", false),
            ("whimbrel up --database-url postgres://a:b@c", false),
            ("whimbrel up --database-url=postgres://a:b@c 3", false),
            ("whimbrel validate --scratch-url postgres://a:b@c", false),
            ("whimbrel up postgres://a:b@c", true),
            ("whimbrel up --history-table postgres://a:b@c", true),
            ("whimbrel up --history-table=postgres://a:b@c", true),
        ] {
            let arguments = typed.split(' ').skip(1).map(str::to_owned);
            let command = if typed.contains("validate") { "validate" } else { "up" };
            assert_eq!(has_stray_url(arguments, command), is_stray, "{typed}");
        }
    }
}
