//! The generated migrations, in each tool's layout.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Writes the migrations for all tools and clients below a folder, where they are not there yet.
pub(crate) fn generate(folder: &Path, count: usize) -> io::Result<()> {
    for number in 1..=count {
        let (name, text) = (format!("create_t{number}"), text(number));
        write(&folder.join(format!("files/{count}/{number:06}_{name}.sql")), &text)?;
        write(&folder.join(format!("refinery/{count}/V{number}__{name}.sql")), &text)?;
        write(&folder.join(format!("folders/{count}/{number:06}_{name}/up.sql")), &text)?;
    }
    let (all, apart): (Vec<String>, _) =
        ((1..=count).map(text).collect(), "SET LOCAL synchronous_commit = off;\nCOMMIT;\nBEGIN;\n");
    write(&scripts(folder, count, "sqlite"), &format!("BEGIN IMMEDIATE;\n{}COMMIT;\n", all.concat()))?;
    write(&scripts(folder, count, "mysql"), &all.concat())?;
    // Each a transaction, of which the last flushes all.
    write(&scripts(folder, count, "postgres"), &format!("BEGIN;\n{}COMMIT;\n", all.join(apart)))
}

/// All scripts in one file.
pub(crate) fn scripts(folder: &Path, count: usize, server: &str) -> PathBuf {
    folder.join(format!("{server}-{count}.sql"))
}

/// A table, an index and a row, in words that all databases understand.
fn text(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, price BIGINT);\n\
         CREATE INDEX t{number}_name ON t{number} (name);\n\
         INSERT INTO t{number} (id, name, price) VALUES (1, 'first', 100);\n"
    )
}

/// Leaves a file alone that is as it should be: the tools would be built anew.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().ok_or(io::ErrorKind::NotFound)?)?;
    fs::write(path, text)
}
