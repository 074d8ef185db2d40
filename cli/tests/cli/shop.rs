//! A folder with migrations and a database, and the binary in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::normal::normal;

/// The folder of a project; gone with the test.
pub(crate) struct Shop {
    folder: TempDir,
    url: Option<&'static str>,
}

/// Three migrations of two tasks' worth of shop.
pub(crate) const USUAL: [(&str, &str); 6] = [
    ("0001_users.up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"),
    ("0001_users.down.sql", "DROP TABLE users;\n"),
    ("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN email TEXT;\nCREATE INDEX users_email ON users (email);\n"),
    ("0002_add_email.down.sql", "DROP INDEX users_email;\nALTER TABLE users DROP COLUMN email;\n"),
    ("0003_orders.up.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INT REFERENCES users (id));\n"),
    ("0003_orders.down.sql", "DROP TABLE orders;\n"),
];

impl Shop {
    /// With these files below `migrations`, and a SQLite database that is not there yet.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let shop = Self::without_database(files);
        Self { url: Some("sqlite://shop.db?mode=rwc"), ..shop }
    }

    pub(crate) fn without_database(files: &[(&str, &str)]) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap(), url: None };
        fs::create_dir(shop.path("migrations")).unwrap();
        for (path, text) in files {
            shop.write(path, text);
        }
        shop
    }

    /// With three migrations, each with its way back.
    pub(crate) fn usual() -> Self {
        Self::of(&USUAL)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file below `migrations`.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path("migrations").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What lies below `migrations`, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        whimbrel_core::load::files_below(&self.path("migrations"), &[] as &[&str]).unwrap()
    }

    /// The binary in the folder, with nothing of the machine's own settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whimbrel"));
        command.current_dir(self.folder()).args(arguments).stdin(Stdio::null());
        bare(&mut command);
        if let Some(url) = self.url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it, and wants it to succeed; what it prints.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", told(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Compares all that a person sees, and the exit code, with `shown/<name>.txt`.
    #[track_caller]
    pub(crate) fn shown(&self, name: &str, arguments: &[&str]) {
        let output = self.run(arguments);
        expect(name, &format!("$ whimbrel {}\n{}", arguments.join(" "), told(&output)));
    }
}

/// Nothing of the machine's own settings.
pub(crate) fn bare(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("WHIMBREL_") || name.starts_with("DATABASE_URL") || name.starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("COLUMNS", "100");
}

/// All that a person sees, and the exit code.
pub(crate) fn told(output: &Output) -> String {
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let said = if said.is_empty() { String::new() } else { format!("--- stderr\n{said}") };
    format!("{out}{said}--- exit {}\n", output.status.code().unwrap_or(-1))
}

/// Compares a text with `shown/<name>.txt`, which `UPDATE_EXPECTED=1` writes.
#[track_caller]
pub(crate) fn expect(name: &str, text: &str) {
    let text = normal(text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/shown").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        // At once: other tests read the folder.
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
        fs::write(&written, &text).unwrap();
        fs::rename(written, &path).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: UPDATE_EXPECTED=1 writes what is shown now");
}
