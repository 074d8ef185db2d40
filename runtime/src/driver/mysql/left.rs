//! What a statement that failed may have left all the same: nothing here is a transaction but changes of rows.

use std::fmt;

use whimbrel_core::words::words;
use whimbrel_core::{Dialect, Kind, Script};

use crate::doubt::mysql::{finding, plain};
use crate::doubt::{Answer, Finding, Question, Thing, fit};

/// What a statement has left that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// What it has done already is in the catalogue.
    Ask(Vec<Question>),
    Unknown,
}

/// Of a schema change that ends in a list, parts may have been done; of a block or a call, whatever it committed.
pub(crate) fn left(script: &Script, index: usize, code: &str) -> Left {
    let Some(statement) = script.statement(index) else { return Left::Unknown };
    let words = plain(words(script.text_of(&statement), Dialect::Mysql));
    let is = |shapes: &[&str]| shapes.iter().any(|shape| fit(&words, shape).is_some());
    match statement.kind {
        // These are whole: they change one table, or nothing that stays (MariaDB manual, Atomic DDL).
        _ if is(&["alter ?online ?ignore table", "create ?unique|fulltext|spatial index", "drop index"]) => {
            Left::Nothing
        }
        Kind::Ddl if FOUND_BEFORE.contains(&code) && !is(&["drop", "create user", "rename"]) => Left::Nothing,
        Kind::Ddl => match finding(script, index) {
            Finding::Ask(questions) if questions.len() == 1 && NO_SUCH_THING.contains(&code) => Left::Nothing,
            Finding::Ask(questions) => Left::Ask(questions),
            _ if FOUND_BEFORE.contains(&code) => Left::Nothing,
            _ => Left::Unknown,
        },
        // They may commit by themselves.
        Kind::Other if !matches!(code, "1064" | "4161") => Left::Unknown,
        _ => Left::Nothing,
    }
}

/// What is wrong with a statement's words, rights or names: the server finds it before it begins.
const FOUND_BEFORE: &[&str] = &[
    "1044", "1046", "1049", "1050", "1054", "1059", "1060", "1061", "1064", "1067", "1068", "1070", "1071", "1072",
    "1075", "1091", "1101", "1103", "1115", "1118", "1142", "1143", "1146", "1149", "1166", "1170", "1193", "1205",
    "1213", "1227", "1235", "1273", "1286", "1304", "1305", "1347", "1359", "1360", "1370", "1419", "1537", "1539",
    "4161",
];

/// It is there already, or is not there.
const NO_SUCH_THING: &[&str] = &["1008", "1051", "1091", "1305", "1360", "1396", "1539", "1965", "4091", "4092"];

impl Question {
    /// Whether the server's sentence is about it: `Unknown table 'shop.nope'`.
    pub(crate) fn is_named_in(&self, sentence: &str) -> bool {
        let (Thing::Object { name, .. } | Thing::Database(name)) = &self.thing else { return false };
        // Of an account, the user.
        let own = name.split('@').next().unwrap_or(name).rsplit('.').next().unwrap_or(name);
        let own = own.trim_matches(['`', '\'']);
        sentence.split(['\'', '.', ',', '`']).any(|word| word == own)
    }
}

/// What there is once it has taken effect: `no table a`, `user b`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sort, name) = match &self.thing {
            Thing::Object { sort, name, .. } => (format!("{sort:?}").to_lowercase(), name.as_str()),
            Thing::Database(name) => ("database".to_owned(), name.as_str()),
            _ => (String::new(), ""),
        };
        let no = if self.done == Answer::No { "no " } else { "" };
        write!(f, "{no}{sort} {name}")
    }
}
