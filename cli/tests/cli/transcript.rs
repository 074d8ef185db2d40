//! Documents whose examples are carried out: a block with the path of a file writes it, a line `$ …` of a `console`
//! block is run, and what stands below it is what it must print.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::normal::normal;
use crate::shop::bare;

/// Carries out a document in a folder of its own, and compares; `UPDATE_EXPECTED=1` writes what is printed now.
#[track_caller]
pub(crate) fn carried_out(document: &Path) {
    let written = fs::read_to_string(document).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("migrations")).unwrap();
    let now = Transcript { folder: folder.path(), variables: Vec::new() }.of(&written);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(document, &now).unwrap();
    }
    assert_eq!(now, fs::read_to_string(document).unwrap(), "{}: UPDATE_EXPECTED=1", document.display());
}

struct Transcript<'a> {
    folder: &'a Path,
    variables: Vec<(String, String)>,
}

impl Transcript<'_> {
    fn of(&mut self, written: &str) -> String {
        let mut now = String::new();
        let mut lines = written.lines();
        while let Some(line) = lines.next() {
            now.push_str(&format!("{line}\n"));
            let Some(begun) = line.strip_prefix("```") else { continue };
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match begun.split_once(' ') {
                Some((_, path)) => {
                    self.file(path, &block);
                    now.push_str(&lined(&block));
                }
                None if begun == "console" => now.push_str(&self.console(&block)),
                None => now.push_str(&lined(&block)),
            }
            now.push_str("```\n");
        }
        now
    }

    fn file(&self, path: &str, text: &[&str]) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, lined(text)).unwrap();
    }

    fn console(&mut self, block: &[&str]) -> String {
        let mut now = String::new();
        for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
            now.push_str(&format!("$ {command}\n"));
            match command.strip_prefix("export ").and_then(|set| set.split_once('=')) {
                Some((name, value)) => self.variables.push((name.to_owned(), value.to_owned())),
                None => now.push_str(&self.run(command)),
            }
        }
        now
    }

    fn run(&self, command: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_whimbrel")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        // A reader sees both in one.
        shell.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(self.folder).stdin(Stdio::null());
        bare(&mut shell);
        let output = shell.env("PATH", path).envs(self.variables.iter().cloned()).output().unwrap();
        normal(&String::from_utf8_lossy(&output.stdout))
    }
}

fn lined(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
