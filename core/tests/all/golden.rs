//! Golden files: `tests/golden/<dialect>/NN_name.sql`, and beside it what it is read as.
//!
//! `UPDATE_GOLDEN=1 cargo test` writes what is read now; look at the difference before you commit it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use whimbrel_core::script::Options;
use whimbrel_core::{Dialect, Script};

use crate::{printed, read_as, read_portable};

#[test]
fn every_golden_file_is_read_as_it_says() {
    let mut differing = Vec::new();
    for (folder, minimum) in [("sqlite", 25), ("postgres", 25), ("mysql", 25), ("cql", 25), ("portable", 5)] {
        let files = scripts(folder);
        assert!(files.len() >= minimum, "{folder}: {} files", files.len());
        differing.extend(files.into_iter().filter(|file| !agrees(folder, file)));
    }
    assert!(differing.is_empty(), "these differ; see them with UPDATE_GOLDEN=1 and git diff: {differing:#?}");
}

fn scripts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|extension| extension != "golden")).collect();
    files.sort();
    files
}

fn agrees(folder: &str, file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap();
    let result = match Dialect::from_name(folder) {
        Some(dialect) => read_as(dialect, &text),
        None => read_portable(&text),
    };
    let found = match result {
        Ok(script) => shown(&script),
        Err(problems) => printed(&problems) + "\n",
    };
    let golden = file.with_extension("golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &found).unwrap();
    }
    fs::read_to_string(&golden).is_ok_and(|expected| expected == found)
}

/// What the directives ask for, if anything; then one block a statement: number, kind, lines, flags; then its text.
fn shown(script: &Script) -> String {
    let mut shown = String::new();
    if script.options() != Options::default() {
        writeln!(shown, "{:?}\n", script.options()).unwrap();
    }
    for (index, statement) in script.statements().enumerate() {
        let text = script.text_of(&statement);
        let last = statement.line as usize + text.matches('\n').count();
        let dialects = Dialect::ALL.into_iter().filter(|&dialect| statement.needs_no_transaction(dialect));
        let outside: String = dialects.map(|dialect| format!(", not in a transaction ({dialect})")).collect();
        let (kind, number, line) = (statement.kind, index + 1, statement.line);
        writeln!(shown, "-- {number}: {kind:?}, lines {line} to {last}{outside}\n{}\n", text.replace('\r', "␍"))
            .unwrap();
    }
    if script.is_empty() {
        shown.push_str("(no statement)\n");
    }
    shown
}
