//! From the text of a manifest to the files that it names.

use std::ops::Range;

use crate::json::{self, Entry, Fault, Text, Value};
use crate::layout::{manifest, script_extension};
use crate::migrations::join;
use crate::nearest::nearest;
use crate::{Dialect, Direction, Place, Problem, Version};

/// What a manifest says of its version.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// One line, or nothing.
    pub(crate) description: String,
    /// The paths of its files in order; none when something is wrong with them.
    pub(crate) parts: Vec<String>,
    /// The scripts of other directions, which lie beside it.
    pub(crate) others: Vec<(String, Direction)>,
    pub(crate) problems: Vec<Problem>,
}

/// The keys, as the tools of Temporal and Cadence know them.
const KEYS: [&str; 4] = [VERSION, MINIMUM, DESCRIPTION, FILES];

const VERSION: &str = "CurrVersion";
/// Their programs compare it with what they need; ours have `minimum_supported`.
const MINIMUM: &str = "MinCompatibleVersion";
const DESCRIPTION: &str = "Description";
const FILES: &str = "SchemaUpdateCqlFiles";

/// Where a manifest lies.
pub(crate) struct Lies<'a> {
    /// Relative to the directory of the set.
    pub(crate) path: &'a str,
    /// The directory of the set, as the user wrote it.
    pub(crate) directory: &'a str,
    /// What its folder says.
    pub(crate) version: &'a Version,
    /// The paths of the scripts in its folder.
    pub(crate) beside: &'a [&'a str],
}

/// Reads a manifest; what is wrong with it stands in its problems.
pub(crate) fn read(text: &str, lies: &Lies<'_>) -> Manifest {
    let mut reader = Reader { text, lies, named: Vec::new(), manifest: Manifest::default() };
    match json::read(text) {
        Ok(entries) => reader.entries(entries),
        Err(fault) => reader.refuse_syntax(&fault),
    }
    reader.manifest
}

struct Reader<'a> {
    text: &'a str,
    lies: &'a Lies<'a>,
    /// The keys so far.
    named: Vec<String>,
    manifest: Manifest,
}

impl Reader<'_> {
    fn entries(&mut self, entries: Vec<Entry>) {
        for Entry { key, value, range } in entries {
            if self.named.contains(&key.text) {
                self.wrong(key.range, "repeated-key", format!("`{}` is given twice", key.text), "keep one of them");
                continue;
            }
            match (key.text.as_str(), value) {
                (VERSION, Value::Text(version)) => self.version(&version, range),
                (MINIMUM, Value::Text(version)) if version.parse::<Version>().is_ok() => {}
                (DESCRIPTION, Value::Text(text)) => {
                    self.manifest.description = text.split_whitespace().collect::<Vec<_>>().join(" ");
                }
                (FILES, Value::List(files)) => self.files(files, range),
                (known, _) if KEYS.contains(&known) => self.bad_value(known, range),
                (unknown, _) => self.unknown(unknown, key.range),
            }
            self.named.push(key.text);
        }
        if !self.named.iter().any(|key| key == FILES) {
            let help = format!("write `\"{FILES}\": [\"schema.cql\"]`, with the files of the version in order");
            let place = Place::file(join(self.lies.directory, self.lies.path));
            let problem = Problem::new("manifest-files", format!("the manifest has no `{FILES}`"));
            self.manifest.problems.push(problem.at(place).help(help));
        }
    }

    fn version(&mut self, written: &str, range: Range<usize>) {
        let folder = self.lies.version;
        match written.parse::<Version>() {
            Ok(version) if version == *folder => {}
            Ok(version) => {
                let message = format!("the manifest is of version {version}, but its folder of {folder}");
                let help = format!("write `\"{folder}\"`, or rename the folder");
                self.wrong(range, "manifest-version", message, help);
            }
            Err(_) => self.bad_value(VERSION, range),
        }
    }

    /// Takes the files that it names, and the others that lie beside it.
    fn files(&mut self, files: Vec<Text>, range: Range<usize>) {
        if files.is_empty() {
            let help = "name the file of its statements, or one with a comment that says why there are none";
            self.wrong(range, "manifest-files", "the manifest names no file", help);
        }
        let before = self.manifest.problems.len();
        for Text { text: name, range } in files {
            self.file(&name, range);
        }
        for &path in self.lies.beside {
            match manifest::direction(path) {
                _ if self.manifest.parts.iter().any(|part| part == path) => {}
                Some(direction) => self.manifest.others.push((path.to_owned(), direction)),
                None => self.unnamed(path),
            }
        }
        if self.manifest.problems.len() > before {
            self.manifest.parts.clear();
        }
    }

    fn file(&mut self, name: &str, range: Range<usize>) {
        let folder = self.lies.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = join(folder, name);
        let (parts, language) = (&self.manifest.parts, script_extension(name));
        let other = parts.first().filter(|first| script_extension(first) != language);
        if parts.contains(&path) {
            self.wrong(range, "manifest-files", format!("`{name}` is named twice"), "name it once");
        } else if name.contains(['/', '\\']) {
            let message = format!("`{name}` does not lie beside the manifest");
            self.wrong(range, "manifest-files", message, "move it there, and name it without a folder");
        } else if !self.lies.beside.contains(&path.as_str()) {
            let names = self.lies.beside.iter().filter_map(|path| path.rsplit('/').next());
            let help = match nearest(name, names) {
                Some(near) => format!("write `\"{near}\"`"),
                None => format!("write `{path}`, or do not name it"),
            };
            self.wrong(range, "manifest-files", format!("there is no script `{path}`"), help);
        } else if language == Some("rs") {
            self.wrong(range, "manifest-files", format!("`{name}` is no script"), "name files of CQL or of SQL");
        } else if let Some(other) = other {
            let message = format!("`{name}` and `{other}` are of two languages, and so not one script");
            self.wrong(range, "manifest-files", message, "give each a version of its own");
        } else {
            self.manifest.parts.push(path);
        }
    }

    fn unnamed(&mut self, path: &str) {
        let message = format!("`{path}` is not named by the manifest beside it");
        let problem = Problem::new("manifest-files", message).at(Place::file(join(self.lies.directory, path)));
        let help = format!("add it to `{FILES}`, or delete it");
        self.manifest.problems.push(problem.help(help));
    }

    fn bad_value(&mut self, key: &str, range: Range<usize>) {
        let message = format!("`{key}` cannot be {}", &self.text[range.clone()]);
        let help = match key {
            FILES => "write a list of files, such as `[\"schema.cql\"]`".to_owned(),
            DESCRIPTION => "write a text".to_owned(),
            _ => format!("write a version, such as `\"{}\"`", self.lies.version),
        };
        self.wrong(range, "bad-value", message, help);
    }

    fn unknown(&mut self, key: &str, range: Range<usize>) {
        let help = match nearest(key, KEYS) {
            Some(near) => format!("write `{near}`"),
            None => format!("delete it; the keys are {}", KEYS.map(|key| format!("`{key}`")).join(", ")),
        };
        self.wrong(range, "unknown-key", format!("there is no key `{key}`"), help);
    }

    fn refuse_syntax(&mut self, fault: &Fault) {
        let message = format!("this is no manifest: expected {}", fault.expected);
        let help =
            "write keys and values as JSON does: `{ \"CurrVersion\": \"1.2\", \"SchemaUpdateCqlFiles\": [\"a.cql\"] }`";
        self.wrong(fault.range.clone(), "manifest-syntax", message, help);
    }

    fn wrong(&mut self, range: Range<usize>, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        let shown = join(self.lies.directory, self.lies.path);
        let place = Place::in_text(shown, self.text, range);
        self.manifest.problems.push(Problem::new(code, message).at(place).help(help));
    }
}

/// The dialect that the extension of a script says.
pub(crate) fn dialect(path: &str) -> Option<Dialect> {
    (script_extension(path) == Some("cql")).then_some(Dialect::Cql)
}
