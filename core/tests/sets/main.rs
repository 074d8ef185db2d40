//! From files to a checked set: what is accepted, and the exact words for what is not.

mod accepted;
mod bad;
mod corpora;
mod disk;
mod manifest;
mod names;
mod recorded;
mod warned;

use whimbrel_core::{Migrations, Problems};

/// A set of files in memory.
fn set(files: &[(&str, &str)]) -> Result<Migrations, Problems> {
    Migrations::from_files(files.iter().map(|(path, text)| (path, text.as_bytes().to_vec())))
}

/// A set of files that all say the same.
fn named(paths: &[&str]) -> Result<Migrations, Problems> {
    Migrations::from_files(paths.iter().map(|path| (path, b"create table a (id int);\n".to_vec())))
}

/// The problems with their codes.
fn told(problems: &Problems) -> String {
    let told = problems.iter().map(|problem| format!("{}: {problem}\n", problem.code()));
    told.collect::<Vec<_>>().join("\n")
}
