//! The program that dumps a server: found, told where to go, and judged by how it ended.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use crate::backup::child::{OptionsFile, ended, last_lines, run};
use crate::backup::kept::{Partial, no_room};
use crate::backup::{Program, Source, shown};
use crate::error::{Error, ErrorKind, Result};

/// Dumps into the file.
pub(crate) async fn dump(source: &Source, program: &Program, named: Option<&Path>, file: &Partial) -> Result<()> {
    let path = find(program, named)?;
    let options = program.options.as_ref().map(|(_, text)| OptionsFile::write(text)).transpose()?;
    let mut command = Command::new(&path);
    if let (Some((argument, _)), Some(options)) = (&program.options, &options) {
        // Joined, since only so it is read as the first of all.
        let mut argument = std::ffi::OsString::from(argument);
        argument.push(options.path());
        command.arg(argument);
    }
    command.args(&program.arguments).stdout(file.open()?);
    for (name, value) in &program.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = run(command, &path).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(failure(source, &path, &output, file))
}

/// Where it is: what the user has named, in `PATH`, or the newest one outside of that.
fn find(program: &Program, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        let found = if named.components().count() > 1 { Some(named.to_owned()) } else { in_path(named.as_os_str()) };
        return found.filter(|path| path.is_file()).ok_or_else(|| {
            let message = format!("there is no program `{}` to make the backup with; nothing was run", shown(named));
            Error::new(ErrorKind::Backup, message).help(format!("correct `Backup::program`, or {}", install(program)))
        });
    }
    let found = program.names.iter().find_map(|name| in_path(OsStr::new(name)));
    found.or_else(|| outside_path(program)).ok_or_else(|| {
        let names: Vec<String> = program.names.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("no {} is in PATH to make the backup with; nothing was run", names.join(" and no "));
        Error::new(ErrorKind::Backup, message)
            .help(format!("{}, or name the program with `Backup::to_folder(…).program(…)`", install(program)))
    })
}

fn install(program: &Program) -> String {
    format!("install {}", program.package)
}

fn in_path(name: &OsStr) -> Option<PathBuf> {
    let mut name = name.to_owned();
    if cfg!(windows) && Path::new(&name).extension().is_none() {
        name.push(".exe");
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(&name)).find(|path| path.is_file())
}

/// The newest one where its versions lie beside each other.
fn outside_path(program: &Program) -> Option<PathBuf> {
    let (before, after) = program.outside?;
    let versions = std::fs::read_dir(before).ok()?.filter_map(|entry| {
        let version: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let path = Path::new(before).join(version.to_string()).join(after).join(program.names[0]);
        path.is_file().then_some((version, path))
    });
    versions.max_by_key(|(version, _)| *version).map(|(_, path)| path)
}

fn failure(source: &Source, path: &Path, output: &Output, file: &Partial) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    // What C libraries say of ENOSPC and EDQUOT, and MariaDB's program by number.
    let full = ["No space left on device", "Disk quota exceeded", "Errcode: 28", "errno 28", "rror 28"];
    if full.iter().any(|words| said.contains(words)) {
        return no_room(file.folder(), file.bytes(), source.bytes);
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if let Some((server, own)) = versions(&said) {
        let message = format!("`{name}` {own} cannot dump a server of version {server}; nothing was run");
        let help = "install the client programs of the server's version, or name them with \
                    `Backup::to_folder(…).program(…)`";
        return Error::new(ErrorKind::Backup, message).help(help);
    }
    let message = format!("the backup failed: `{name}` {}; nothing was run", ended(output.status));
    Error::new(ErrorKind::Backup, message)
        .details(last_lines(&said, source.password.as_deref()))
        .help("see what it says, mend that, and run it again")
}

/// What `pg_dump` says when it is older than its server: `server version: 16.1; pg_dump version: 15.3`.
fn versions(said: &str) -> Option<(&str, &str)> {
    if !said.contains("server version mismatch") {
        return None;
    }
    let after = |mark: &str| {
        let rest = said.split_once(mark)?.1.trim_start();
        rest.split([' ', ';', '\n']).next().filter(|version| !version.is_empty())
    };
    Some((after("server version:")?, after("pg_dump version:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_program_is_told_by_its_versions() {
        let said = "pg_dump: error: aborting because of server version mismatch\n\
                    pg_dump: detail: server version: 16.1 (Debian 16.1-1); pg_dump version: 15.3\n";
        assert_eq!(versions(said), Some(("16.1", "15.3")));
        assert_eq!(versions("pg_dump: error: out of memory"), None);
    }
}
