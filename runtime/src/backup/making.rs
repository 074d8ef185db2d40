//! Making a backup, as one of many who want to run.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;

use crate::backup::child::{ended, last_lines, masked, run};
use crate::backup::file_name::file_name;
use crate::backup::kept::Partial;
use crate::backup::{BackupReport, BackupRight, Means, Note, Password, Right, Source, Wanted, program};
use crate::driver::Driver;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::plan::{Plan, Step};
use crate::progress::Progress;
use crate::report::Action;
use crate::stopper::Observer;

/// How far the backup of a run has come.
#[derive(Default)]
pub(crate) struct BackingUp {
    /// Held from before the backup to the end of the run, so that whoever comes in between makes no other one.
    right: Option<Box<dyn BackupRight>>,
    made: Option<BackupReport>,
}

/// What a run does next.
pub(crate) enum Next {
    /// It may change the database.
    Act,
    /// It reads again: something has happened.
    LookAgain,
    /// Somebody else is at it, who is told in words.
    WaitFor(String),
}

impl BackingUp {
    /// Sees to it that there is a backup before the first change.
    ///
    /// Whoever gets the right reads the history again before making one: the last holder has done what was pending.
    pub(crate) async fn next(
        &mut self,
        engine: &mut Engine<'_, '_>,
        (plan, history): (&Plan<'_>, &History),
        observer: &Observer<'_>,
    ) -> Result<Next> {
        let (Some(wanted), Some(first)) = (engine.settings.backup.wanted(), plan.steps.first()) else {
            return Ok(Next::Act);
        };
        if self.made.is_some() || first.action == Action::Baseline {
            return Ok(Next::Act);
        }
        if self.right.is_none() {
            return Ok(match engine.driver.backup_right().await? {
                Right::Granted(right) => {
                    self.right = Some(right);
                    Next::LookAgain
                }
                Right::Busy(who) => Next::WaitFor(who),
            });
        }
        observer.tell(&Progress::BackingUp { folder: wanted.folder() });
        let made = make(engine.driver, wanted, first, engine.settings.lock_timeout).await?;
        tracing::info!(duration_ms = made.duration.as_millis() as u64, bytes = made.bytes, "backed up to {made}");
        let (detail, took) = (made.to_string(), made.duration);
        self.made = Some(made);
        let note = Note { key: &first.key, detail, took, is_present: history.present, identity: engine.identity };
        engine.driver.record_backup(note).await?;
        Ok(Next::LookAgain)
    }

    /// The backup, if one was made.
    pub(crate) fn made(&self) -> Option<&BackupReport> {
        self.made.as_ref()
    }

    /// Lets others begin.
    pub(crate) async fn release(&mut self) {
        if let Some(right) = self.right.take() {
            right.release().await;
        }
    }
}

async fn make(
    driver: &mut dyn Driver,
    wanted: &Wanted,
    step: &Step<'_>,
    patience: std::time::Duration,
) -> Result<BackupReport> {
    let begun = Instant::now();
    let source = driver.backup_source(patience).await?;
    let name = |ending| file_name(&source.name, step, ending);
    let (file, said) = match (wanted, &source.means) {
        (Wanted::Command { text, password, folder }, _) => {
            let file = folder.as_deref().map(|folder| Partial::create(folder, name("backup"))).transpose()?;
            let about = [("VERSION", step.version.to_string()), ("DIALECT", driver.dialect().name().to_owned())];
            let said = run_command((text, *password), &source, about, file.as_ref()).await?;
            (file, said)
        }
        (Wanted::File { folder, .. }, Means::Copy) => {
            let file = Partial::create(folder, name("sqlite"))?;
            driver.copy_to(file.folder(), file.path(), patience).await?;
            (Some(file), String::new())
        }
        (Wanted::File { folder, program: named }, Means::Program(program)) => {
            let file = Partial::create(folder, name(program.ending))?;
            program::dump(&source, program, named.as_deref(), &file).await?;
            (Some(file), String::new())
        }
        (Wanted::File { .. }, Means::None(why, help)) => return Err(Error::new(ErrorKind::Backup, *why).help(*help)),
    };
    let (place, bytes) = match file {
        // Writing through to a disk takes its time.
        Some(file) => {
            let kept = tokio::task::spawn_blocking(|| file.keep()).await;
            let (path, bytes) = kept.map_err(|error| lost(error.into()))??;
            (path.display().to_string(), Some(bytes))
        }
        None => (said, None),
    };
    Ok(BackupReport { place, bytes, duration: begun.elapsed() })
}

/// Runs the user's command; the last line that it prints.
async fn run_command(
    (text, password): (&str, Password),
    source: &Source,
    about: [(&'static str, String); 2],
    file: Option<&Partial>,
) -> Result<String> {
    let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.args([option, text]).stdout(Stdio::piped());
    let told = source.place.iter().map(|(name, value)| (*name, value.clone())).chain(about);
    command.envs(told.map(|(name, value)| (format!("WHIMBREL_{name}"), value)));
    if let (Password::Given, Some(password)) = (password, &source.password) {
        command.env("WHIMBREL_PASSWORD", password);
    }
    if let Some(file) = file {
        let folder = file.path().parent().unwrap_or(Path::new("."));
        command.env("WHIMBREL_BACKUP_FOLDER", folder).env("WHIMBREL_BACKUP_FILE", file.path());
    }
    let output = run(command, Path::new(shell)).await?;
    if output.status.success() {
        let printed = String::from_utf8_lossy(&output.stdout);
        let last = printed.lines().map(str::trim).rfind(|line| !line.is_empty());
        return Ok(masked(last.unwrap_or_default(), source.password.as_deref()));
    }
    let message = format!("the backup failed: its command {}; nothing was run", ended(output.status));
    Err(Error::new(ErrorKind::Backup, message)
        .details(last_lines(&String::from_utf8_lossy(&output.stderr), source.password.as_deref()))
        .help("see what it says, mend that, and run it again"))
}

fn lost(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new(ErrorKind::Backup, "the backup could not be completed; nothing was run")
        .source(cause)
        .help("run it again")
}
