//! What a command works with.

use std::borrow::Cow;
use std::path::PathBuf;

use whimbrel::{AutoMigrate, Backup, Migrations, Migrator, Missing, Newer, OutOfOrder, ScratchDatabase, Settings};

use crate::answer::Form;
use crate::arguments::{Allow, Asked, Migrate, Options};
use crate::database_url::DatabaseUrl;
use crate::failure::Failure;
use crate::program::Program;
use crate::source::Source;

/// The set, the options, and how to answer.
pub(crate) struct Context<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) options: Options,
    pub(crate) program: Program,
    pub(crate) form: Form,
    settings: Option<Settings>,
    program_url: Option<DatabaseUrl>,
    command_line: Option<clap::Command>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(source: Source<'a>, asked: Asked, program: Program) -> (Self, crate::arguments::Command) {
        let Asked { command, options, settings, program_url, command_line } = asked;
        let form = if options.json { Form::Json } else { Form::Screen };
        (Self { source, options, program, form, settings, program_url, command_line }, command)
    }

    /// The set, and where it is applied.
    ///
    /// # Errors
    /// No URL is given, a setting is wrong, or the files are no set.
    pub(crate) fn target(&self) -> Result<Target<'a>, Failure> {
        self.target_of(Source::migrations)
    }

    /// The same for who only looks, or settles: files that differ from `whimbrel.sum` are told, and stop nobody.
    ///
    /// # Errors
    /// As [`target`](Self::target).
    pub(crate) fn target_as_it_is(&self) -> Result<Target<'a>, Failure> {
        self.target_of(Source::migrations_as_they_are)
    }

    fn target_of(
        &self,
        set: fn(Source<'a>, &Options) -> Result<Cow<'a, Migrations>, Failure>,
    ) -> Result<Target<'a>, Failure> {
        let url = DatabaseUrl::find(self.options.database_url.as_ref(), self.program_url.as_ref())?;
        let url = url.without(&self.options.decommissioned);
        let settings = self.settings()?;
        Ok(Target { migrations: set(self.source, &self.options)?, url, settings })
    }

    /// The whole command line: the program's own, or the words that lead to `migrate`.
    pub(crate) fn command_line(&self) -> clap::Command {
        self.command_line.clone().unwrap_or_else(|| {
            let words: Vec<&str> = self.program.name().split(' ').collect();
            let last = words.last().copied().unwrap_or("migrate").to_owned();
            let migrate = <Migrate as clap::Args>::augment_args(clap::Command::new(last));
            let above = words[..words.len().saturating_sub(1)].iter().rev();
            above.fold(migrate, |below, word| clap::Command::new((*word).to_owned()).subcommand(below))
        })
    }

    /// Where the database is, if one is named; and how to treat it.
    ///
    /// # Errors
    /// `.env` cannot be read, or a setting is wrong.
    pub(crate) fn database(&self) -> Result<Option<(DatabaseUrl, Settings)>, Failure> {
        match DatabaseUrl::named(self.options.database_url.as_ref(), self.program_url.as_ref())? {
            Some(url) => Ok(Some((url, self.settings()?))),
            None => Ok(None),
        }
    }

    /// The directory of a command for files, as the user wrote it.
    pub(crate) fn directory(&self, at: Option<PathBuf>) -> String {
        match at {
            Some(at) => at.to_string_lossy().into_owned(),
            None => self.source.directory(&self.options),
        }
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let Options { history_table, lock_timeout, timeout, allow, .. } = &self.options;
        let mut settings = match &self.settings {
            Some(settings) => settings.clone(),
            None => Settings::from_env("WHIMBREL")?,
        };
        if let Some(table) = history_table {
            settings = settings.history_table(table)?;
        }
        if let Some(url) = &self.options.scratch_url {
            settings = settings.scratch_database(ScratchDatabase::Url(url.reveal().to_owned()));
        }
        if let Some(folder) = &self.options.backup {
            settings = settings.backup_before_migration(Backup::to_folder(folder));
        }
        if let Some(time) = lock_timeout {
            settings = settings.lock_timeout(*time);
        }
        if let Some(time) = timeout {
            settings = settings.timeout(*time);
        }
        // Whoever asks by name may: the setting is for services that start.
        let settings = settings.auto_migrate(AutoMigrate::On);
        Ok(allow.iter().fold(settings, |settings, allow| match allow {
            Allow::OutOfOrder => settings.out_of_order(OutOfOrder::Allow),
            Allow::Missing => settings.missing(Missing::Allow),
            Allow::NewerIfExpanding => settings.newer(Newer::AllowIfExpanding),
            Allow::Newer => settings.newer(Newer::Allow),
        }))
    }
}

/// The set, and where it is applied.
pub(crate) struct Target<'a> {
    pub(crate) migrations: Cow<'a, Migrations>,
    pub(crate) url: DatabaseUrl,
    settings: Settings,
}

impl Target<'_> {
    /// What the migrations belong to: `shop 2.4.0`, or their directory.
    pub(crate) fn name(&self) -> String {
        let directory = || format!("`{}`", self.migrations.directory());
        self.migrations.application().map_or_else(directory, str::to_owned)
    }

    /// A migrator; nothing is connected yet.
    ///
    /// # Errors
    /// The URL cannot be read.
    pub(crate) fn migrator(&self) -> Result<Migrator<'_>, Failure> {
        let migrator = Migrator::connect(&self.migrations, self.url.reveal())?.settings(self.settings.clone());
        Ok(match self.migrations.application() {
            Some(_) => migrator,
            // Nobody embeds a directory: whoever runs it is this program.
            None => migrator.application(concat!("whimbrel ", env!("CARGO_PKG_VERSION"))),
        })
    }
}
