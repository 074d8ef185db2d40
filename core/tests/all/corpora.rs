//! Real migration directories, written by others: they split without a problem.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use whimbrel_core::Dialect;

use crate::{printed, read_as};

const SKIPPED: &[u8] = b"skipped: what splits real scripts; set WHIMBREL_CORPORA to the directory that holds them\n";

#[test]
fn the_scripts_of_others_have_no_problem() {
    let Some(root) = corpora() else {
        // Past the harness, which keeps what a passing test prints.
        io::stderr().write_all(SKIPPED).unwrap();
        return;
    };
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut failures = Vec::new();
    for file in &files {
        let shown = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let Some(dialect) = dialect(&shown) else { continue };
        let text = fs::read_to_string(file).unwrap();
        for text in sections(&text) {
            // Three of the files are empty indeed.
            if let Err(problems) = read_as(dialect, &text)
                && problems.iter().any(|problem| problem.code() != "empty-file")
            {
                failures.push(format!("{shown}\n{}", printed(&problems)));
            }
        }
    }
    println!("{} files", files.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let root = std::env::var_os("WHIMBREL_CORPORA").map_or(beside, PathBuf::from);
    root.is_dir().then_some(root)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "sql" || extension == "cql") {
            files.push(path);
        }
    }
}

fn dialect(path: &str) -> Option<Dialect> {
    let set = path.split('/').next()?;
    if set.ends_with("cassandra") { Some(Dialect::Cql) } else { Dialect::from_name(set.rsplit('-').next()?) }
}

/// A file that holds both directions is two scripts, without the marks.
fn sections(text: &str) -> Vec<String> {
    let (up, down) = text.split_at(text.find("-- migrate:down").unwrap_or(text.len()));
    let parts = [up, down].into_iter().filter(|part| !part.is_empty());
    parts.map(|part| part.replace("migrate:", "")).collect()
}
