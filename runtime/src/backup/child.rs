//! A process that makes a backup: started, waited for, and what it said.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use tokio::process::Command;

use crate::backup::kept::private;
use crate::backup::shown;
use crate::error::{Error, ErrorKind, Result};

/// How many lines of what a process said are shown, and how much of each.
const LINES: usize = 5;
const WIDTH: usize = 300;

/// Runs it to its end; it is killed when this is dropped.
///
/// It reads nothing, and says what it says in English, in which we look for what we know.
pub(crate) async fn run(mut command: Command, path: &Path) -> Result<Output> {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).env("LC_ALL", "C").kill_on_drop(true);
    let ended = match command.spawn() {
        Ok(child) => child.wait_with_output().await,
        Err(error) => Err(error),
    };
    ended.map_err(|error| {
        let message = format!("the program `{}` cannot be started for the backup; nothing was run", shown(path));
        let help = "let this account run it, or name another one; then run it again";
        Error::new(ErrorKind::Backup, message).source(error).help(help)
    })
}

/// `ended with 3`, `was ended by signal 9`.
pub(crate) fn ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    status.code().map_or_else(|| "was ended".to_owned(), |code| format!("ended with {code}"))
}

/// The last lines of what a process said, without the password.
pub(crate) fn last_lines(said: &str, secret: Option<&str>) -> String {
    let said = masked(said, secret);
    let all: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &all[all.len().saturating_sub(LINES)..];
    let cut = |line: &&str| format!("  {}", line.chars().take(WIDTH).collect::<String>());
    last.iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// What a process said, without the password: as it is, and as it stands in a URL.
pub(crate) fn masked(said: &str, secret: Option<&str>) -> String {
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else { return said.to_owned() };
    let mut out = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(first) = rest.chars().next() {
        match length_of(secret.as_bytes(), rest.as_bytes()) {
            Some(length) => {
                out.push_str("***");
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// How long the secret is with which a text begins; any of its bytes may be percent-encoded there.
fn length_of(secret: &[u8], text: &[u8]) -> Option<usize> {
    let Some((byte, others)) = secret.split_first() else { return Some(0) };
    let after = |length: usize| Some(length + length_of(others, &text[length..])?);
    let raw = if text.first() == Some(byte) { after(1) } else { None };
    raw.or_else(|| {
        let code = text.get(..3)?.strip_prefix(b"%")?;
        let code = u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?;
        if code == *byte { after(3) } else { None }
    })
}

/// A file with a secret in a folder of its own, for this account alone; both are removed when it is dropped.
#[derive(Debug)]
pub(crate) struct OptionsFile {
    folder: PathBuf,
    path: PathBuf,
}

impl OptionsFile {
    pub(crate) fn write(text: &str) -> Result<Self> {
        let unique = RandomState::new().hash_one(std::process::id());
        let folder = std::env::temp_dir().join(format!("whimbrel-{unique:016x}"));
        let file = Self { path: folder.join("options.cnf"), folder };
        let write = || {
            private_folder(&file.folder)?;
            private().create_new(true).write(true).open(&file.path)?.write_all(text.as_bytes())
        };
        match write() {
            Ok(()) => Ok(file),
            Err(error) => {
                let message = "no file for the password of the backup's program can be written; nothing was run";
                let help = "let this account write to the folder for temporary files (`TMPDIR`), then run it again";
                Err(Error::new(ErrorKind::Backup, message).source(error).help(help))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OptionsFile {
    fn drop(&mut self) {
        // Whoever could keep us from that is us.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Fails where there is one already: it would be somebody else's.
fn private_folder(path: &Path) -> std::io::Result<()> {
    #[allow(unused_mut, reason = "on Windows a folder has the rights of the one that it lies in")]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_repeated() {
        let said = "one\n\ntwo\nthree hunter2\nfour\n  five hunter2hunter2\nsix\n";
        assert_eq!(last_lines(said, Some("hunter2")), "  two\n  three ***\n  four\n  five ******\n  six");
        assert_eq!(last_lines("", Some("")), "");
    }

    #[test]
    fn a_password_is_masked_however_it_is_encoded() {
        for (said, expected) in [
            ("postgres://app:a%40b%25%C3%A4@db", "postgres://app:***@db"),
            ("a@b%ä and a@b%25%c3%a4", "*** and ***"),
            ("%61%40%62%25%c3%a4", "***"),
            ("a%40b and 100% ä", "a%40b and 100% ä"),
        ] {
            assert_eq!(masked(said, Some("a@b%ä")), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn options_are_for_this_account_alone_and_go_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = OptionsFile::write("[client]\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file.folder), mode(file.path())), (0o700, 0o600));
        let folder = file.folder.clone();
        drop(file);
        assert!(!folder.exists());
    }
}
