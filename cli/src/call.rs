//! From the arguments to a [`Call`].

use whimbrel_core::Dialect;

pub(crate) const USAGE: &str = "usage: whimbrel COMMAND [--dialect DIALECT] [DIRECTORY]

  check   checks the migrations as the compiler does
  sum     writes whimbrel.sum beside them: the checksums that an edited or removed file is known by

The directory is `migrations` unless given. --dialect says what a plain .sql is written in, as the argument `dialect` of
embed_migrations! does; it overrides whimbrel.toml. Exit codes: 0 done, 1 failed, 2 usage.";

/// What the user wants.
pub(crate) struct Call {
    pub(crate) command: Command,
    /// As the user wrote it.
    pub(crate) directory: String,
    /// Overrides `whimbrel.toml`.
    pub(crate) dialect: Option<Dialect>,
}

#[derive(Clone, Copy)]
pub(crate) enum Command {
    Check,
    Sum,
    Help,
}

impl Call {
    /// Reads the arguments after the name of the program.
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut words, mut dialect) = (Vec::new(), None);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.split_once('=') {
                Some(("--dialect", name)) => dialect = Some(named(name)?),
                _ if argument == "--dialect" => {
                    dialect = Some(named(&arguments.next().ok_or(USAGE)?)?);
                }
                _ => words.push(argument),
            }
        }
        let mut words = words.into_iter();
        let command = match words.next().as_deref() {
            Some("check") => Command::Check,
            Some("sum") => Command::Sum,
            Some("help" | "--help" | "-h") => Command::Help,
            _ => return Err(USAGE.to_owned()),
        };
        let directory = words.next().unwrap_or_else(|| "migrations".to_owned());
        if directory.starts_with('-') || words.next().is_some() {
            return Err(USAGE.to_owned());
        }
        Ok(Self { command, directory, dialect })
    }
}

fn named(name: &str) -> Result<Dialect, String> {
    Dialect::from_name(name).ok_or_else(|| {
        let known = Dialect::ALL.map(|dialect| format!("`{dialect}`")).join(", ");
        format!("`{name}` is not a dialect\nhelp: write one of {known}")
    })
}
