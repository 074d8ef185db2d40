//! SQLite's own `sqlite3_complete`, through the standard library of Python: it needs `unsafe` in Rust.

use std::io::Write;
use std::ops::Range;
use std::process::{Command, Stdio};

use whimbrel_core::Dialect;

// Latin-1 keeps byte offsets; what is above ASCII is part of a name for SQLite either way.
const PROGRAM: &str = "
import sqlite3, sys
for script in sys.stdin.buffer.read().decode('latin-1').split('\\0'):
    start, end, ends = 0, script.find(';'), []
    while end >= 0:
        if sqlite3.complete_statement(script[start:end + 1]):
            start = end + 1
            ends.append(start)
        end = script.find(';', end + 1)
    print(*ends)
";

/// The pieces of each script, each up to its `;`, the last one up to the end.
///
/// # Panics
/// When Python cannot be run.
pub fn split(scripts: &[&str]) -> Vec<Vec<Range<usize>>> {
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed (./test installs it)");
    // It reads to the end before it writes.
    python.stdin.take().expect("piped").write_all(scripts.join("\0").as_bytes()).expect("python3 reads");
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "python3 failed");
    let output = String::from_utf8(output.stdout).expect("numbers");
    assert_eq!(output.lines().count(), scripts.len(), "no script holds a NUL");
    scripts.iter().zip(output.lines()).map(|(script, ends)| pieces(script, ends)).collect()
}

fn pieces(script: &str, ends: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let ends = ends.split_whitespace().map(|end| end.parse().expect("a number")).chain([script.len()]);
    super::with_statements(script, Dialect::Sqlite, ends.map(|end| std::mem::replace(&mut start, end)..end))
}
