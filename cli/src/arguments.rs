//! What can be written behind `migrate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use whimbrel::{Dialect, Resolve, Settings, Version};
use whimbrel_core::duration::duration;

use crate::database_url::DatabaseUrl;

/// Looks at the database's schema, and migrates it.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Migrate {
    /// Boxed, or it would be by far the largest variant of the enum that it stands in.
    #[command(flatten)]
    pub(crate) asked: Box<Asked>,
}

// No documentation, which would stand in the help instead of that of `Migrate`.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) options: Options,
    /// What the program has set; what the user writes wins.
    #[arg(skip)]
    pub(crate) settings: Option<Settings>,
    #[arg(skip)]
    pub(crate) program_url: Option<DatabaseUrl>,
    #[arg(skip)]
    pub(crate) command_line: Option<clap::Command>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 pending, 4 refused, 5 busy, 6 in doubt, 7 unreachable, 8 not valid, 130 stopped.
Settings come from the environment too: WHIMBREL_LOCK_TIMEOUT=30s, WHIMBREL_MIGRATION_TIMEOUT, WHIMBREL_HISTORY_TABLE, ….";

impl Migrate {
    /// The settings of the program, instead of those that `WHIMBREL_…` variables say; what the user writes on the
    /// command line wins.
    ///
    /// ```no_run
    /// # use clap::Parser;
    /// # use whimbrel::{Migrations, Settings, embed_migrations};
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # #[derive(Parser)] enum Shop { Migrate(whimbrel_cli::Migrate) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> whimbrel::Result<()> {
    /// let Shop::Migrate(migrate) = Shop::parse();
    /// let migrate = migrate.settings(Settings::from_env("SHOP")?);
    /// # whimbrel_cli::run(&MIGRATIONS, migrate).await;
    /// # Ok(()) }
    /// ```
    pub fn settings(mut self, settings: Settings) -> Self {
        self.asked.settings = Some(settings);
        self
    }

    /// Where the program's database is, when the user does not write `--database-url`: before `DATABASE_URL` and `.env`.
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.asked.program_url = Some(DatabaseUrl::from(url.into()));
        self
    }
}

impl Migrate {
    /// The whole command line of the program, for `completions` and `man`; without it they know `migrate` only.
    ///
    /// ```no_run
    /// # use clap::{CommandFactory, Parser};
    /// # use whimbrel::{Migrations, embed_migrations};
    /// # static MIGRATIONS: Migrations = embed_migrations!("../migrations");
    /// # #[derive(Parser)] enum Shop { Migrate(whimbrel_cli::Migrate) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let Shop::Migrate(migrate) = Shop::parse();
    /// whimbrel_cli::run(&MIGRATIONS, migrate.command_line(Shop::command())).await;
    /// # }
    /// ```
    pub fn command_line(mut self, command: clap::Command) -> Self {
        self.asked.command_line = Some(command);
        self
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Options {
    /// The database, as `postgres://user@host/name` or `sqlite://app.db`; without it DATABASE_URL, also in `.env`. It is
    /// never echoed
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// Writes the answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The migrations, where they are files [default: migrations]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) directory: Option<PathBuf>,
    /// What a plain .sql is written in; overrides whimbrel.toml
    #[arg(long, global = true, value_name = "DIALECT", value_parser = dialect)]
    pub(crate) dialect: Option<Dialect>,
    /// The history's table, perhaps with its schema [default: whimbrel_history]
    #[arg(long, global = true, value_name = "TABLE")]
    pub(crate) history_table: Option<String>,
    /// How long to wait for another runner, and for tables [default: 5m]
    #[arg(long, global = true, value_name = "TIME", value_parser = time)]
    pub(crate) lock_timeout: Option<Duration>,
    /// How long all of it may take
    #[arg(long, global = true, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// What is refused otherwise
    #[arg(long, global = true, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) allow: Vec<Allow>,
    /// `validate`, `report`: an empty database to build the expected schema in, instead of one that is created and dropped
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) scratch_url: Option<DatabaseUrl>,
    /// Backs up into this folder before anything is changed
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) backup: Option<PathBuf>,
    /// ScyllaDB, Cassandra: a node that never comes back; only if that is so, or data may be lost
    #[arg(long, global = true, value_name = "HOST-ID")]
    pub(crate) decommissioned: Vec<String>,
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Allow {
    /// Pending migrations that are older than applied ones
    OutOfOrder,
    /// Applied migrations that are not here, though later ones are
    Missing,
    /// A database at a version that is not known here, if all of that only expands
    NewerIfExpanding,
    /// A database at a version that is not known here
    Newer,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows where the database stands
    Status {
        /// Exits with 3 when something is pending
        #[arg(long)]
        check: bool,
        /// A line for each task instead of each migration
        #[arg(long)]
        by_task: bool,
        /// All migrations, also those applied long ago
        #[arg(long)]
        all: bool,
    },
    /// Shows exactly what `up` would run, and what each statement locks; touches nothing
    Plan {
        #[command(flatten)]
        target: Up,
        /// What `down` would run instead, with its arguments: `plan --down 2`
        #[arg(long)]
        down: bool,
        /// Of `--down`: a task
        #[arg(long, requires = "down")]
        task: Option<String>,
        /// Whole statements, not only their beginnings
        #[arg(long)]
        sql: bool,
    },
    /// Applies what is pending
    #[command(visible_alias = "migrate")]
    Up {
        #[command(flatten)]
        target: Up,
    },
    /// Rolls back: the last one, so many, one by its name, a task, or down to a version
    Down {
        #[command(flatten)]
        target: Down,
        #[command(flatten)]
        asking: Asking,
    },
    /// Prints the version that the database is at
    Version,
    /// Lists what is applied, in the order of application
    History,
    /// Lists who did what when
    Events {
        /// So many of the last ones
        #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
    /// Compares the database with its migrations
    Validate,
    /// Says whether all is well, and which command helps where it is not
    Health,
    /// Says what could be better, and what makes it so
    Recommendations,
    /// Tells the history what a person has found of a migration
    Resolve {
        /// The migration's version or name
        #[arg(value_name = "VERSION")]
        migration: String,
        #[command(flatten)]
        found: Found,
        #[command(flatten)]
        asking: Asking,
    },
    /// Says which version the schema is exactly at, whatever the history says; for those who come from golang-migrate
    Force {
        /// The version that the database is at, or the migration's name
        #[arg(value_name = "VERSION")]
        migration: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Development only: drops what the history knows, of SQLite the file; refuses what looks like production
    Reset {
        /// Goes on all the same, where the database has this name
        #[arg(long, value_name = "NAME-OF-DATABASE")]
        i_know_this_destroys_data: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Tells all there is to know, for a program, for a mail, or as a page for people
    Report {
        /// What it is for
        #[arg(value_enum)]
        form: ReportForm,
        /// Writes it to this file instead of stdout
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Checks the migrations as the compiler does; needs no database
    Check {
        /// The directory, instead of `--directory`
        #[arg(value_name = "DIRECTORY")]
        at: Option<PathBuf>,
    },
    /// Writes whimbrel.sum beside the migrations: the checksums that an edited or removed file is known by
    Sum {
        /// The directory, instead of `--directory`
        #[arg(value_name = "DIRECTORY")]
        at: Option<PathBuf>,
    },
    /// Writes the files of the next migration, named as those that are there, and prints their paths
    New(Fresh),
    /// Gives migrations that have the same version after a merge the next ones
    Renumber(Renumbering),
    /// Explains an error by its code, as `duplicate-version` or `in_doubt`; all codes without one
    Explain {
        /// What stands in the brackets of `error[code]`
        code: Option<String>,
    },
    /// Prints the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the man page, or writes those of all commands
    Man {
        /// A directory, for a page for each command
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
    },
    /// Records the migrations up to a version as applied, running nothing: an existing database starts here
    Baseline {
        /// The version that the database is at, or the migration's name
        #[arg(value_name = "VERSION")]
        migration: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// A migration that is to be written.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Fresh {
    /// What it does, in a few words: `add_email`, or `add e-mail`
    #[arg(required = true)]
    pub(crate) name: Vec<String>,
    /// The task that it belongs to, as `TASK-123`
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Counts: the number after the last one [default: as the others]
    #[arg(long, conflicts_with = "timestamp")]
    pub(crate) seq: bool,
    /// Takes the time as its version [default: as the others]
    #[arg(long)]
    pub(crate) timestamp: bool,
    /// A down script, also where the others have none
    #[arg(long)]
    pub(crate) down: bool,
    /// A verify script too
    #[arg(long)]
    pub(crate) verify: bool,
    /// Up and down for each of these [default: as the last one]
    #[arg(id = "dialect", long = "dialect", value_name = "DIALECT", value_delimiter = ',', value_parser = dialect)]
    pub(crate) dialects: Vec<Dialect>,
}

/// Who keeps a version that two have.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Renumbering {
    /// The directory, instead of `--directory`
    #[arg(value_name = "DIRECTORY")]
    pub(crate) at: Option<PathBuf>,
    /// A file of a migration that keeps its version
    #[arg(long, value_name = "FILE")]
    pub(crate) keep: Vec<String>,
    /// A branch whose migrations keep their versions [default: origin/HEAD, or main, or master]
    #[arg(long, value_name = "BRANCH")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// What a report is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportForm {
    /// For a program; a stable shape
    Json,
    /// One page of text
    Summary,
    /// One page for a browser, which needs no network
    Html,
}

/// How far up.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Up {
    /// So many of the pending ones, or the version or name of the last one to apply
    #[arg(value_name = "N or NAME")]
    pub(crate) until: Option<String>,
    /// The last version to apply
    #[arg(long, value_name = "VERSION", conflicts_with = "until")]
    pub(crate) to: Option<Version>,
    /// So many, where a number could also be a version
    #[arg(long, value_name = "N", conflicts_with_all = ["until", "to"])]
    pub(crate) steps: Option<usize>,
}

/// What to roll back.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Down {
    /// So many of the applied ones [default: 1], or one by its version or name
    #[arg(value_name = "N or NAME")]
    pub(crate) what: Option<String>,
    /// All migrations of this task
    #[arg(long, value_name = "TASK", conflicts_with = "what")]
    pub(crate) task: Option<String>,
    /// Everything above this version, which stays
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["what", "task"])]
    pub(crate) to: Option<Version>,
    /// So many, where a number could also be a version
    #[arg(long, value_name = "N", conflicts_with_all = ["what", "task", "to"])]
    pub(crate) steps: Option<usize>,
    /// Everything
    #[arg(long, conflicts_with_all = ["what", "task", "to", "steps"])]
    pub(crate) all: bool,
}

/// What a person has found.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Found {
    /// Statement N, at which a runner died, took effect: the next run goes on behind it
    #[arg(long, value_name = "N")]
    done: Option<usize>,
    /// Statement N, at which a runner died, did not: the next run goes on with it
    #[arg(long, value_name = "N")]
    again: Option<usize>,
    /// The file was edited after it was applied, and that is well
    #[arg(long)]
    accept: bool,
    /// All of it is applied, whatever the history says; nothing of it runs
    #[arg(long)]
    applied: bool,
    /// Nothing of it is applied any more, whatever the history says; its down script does not run
    #[arg(long)]
    rolled_back: bool,
}

impl Found {
    pub(crate) fn resolve(&self) -> Resolve {
        match self {
            Self { done: Some(statement), .. } => Resolve::Done(*statement),
            Self { again: Some(statement), .. } => Resolve::Again(*statement),
            Self { accept: true, .. } => Resolve::Accept,
            Self { applied: true, .. } => Resolve::Applied,
            Self { .. } => Resolve::RolledBack,
        }
    }
}

/// Whether to ask before something is written that is not easily taken back.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Asking {
    /// Does not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

fn dialect(name: &str) -> Result<Dialect, String> {
    Dialect::from_name(name).ok_or_else(|| {
        let known = Dialect::ALL.map(|dialect| format!("`{dialect}`")).join(", ");
        format!("write one of {known}")
    })
}

/// A time as scripts have it; seconds need no unit.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = || duration(&format!("{text}s"));
    duration(text).or_else(seconds).ok_or_else(|| "write a time, such as `30s`, `5m` or `1500ms`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    #[command(version, propagate_version = true)]
    enum Shop {
        #[allow(dead_code)]
        Migrate(Migrate),
    }

    #[test]
    fn the_arguments_of_all_commands_fit_together() {
        Shop::command().debug_assert();
    }
}
