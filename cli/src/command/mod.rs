//! The commands: each is a file, from what the user wants to an [`Answer`].

mod baseline;
mod check;
mod completions;
mod down;
mod events;
mod explain;
mod health;
mod history;
mod man;
mod new;
pub(crate) mod plan;
mod recommendations;
mod renumber;
mod report;
mod reset;
mod resolve;
pub(crate) mod status;
mod sum;
mod up;
mod validate;
mod version;

use std::process::ExitCode;

use crate::answer::{Answer, tell};
use crate::arguments::{Command, Migrate};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::source::Source;

/// Does what the user asked for, and tells what came of it.
pub(crate) async fn run(source: Source<'_>, migrate: Migrate) -> ExitCode {
    let name = migrate.asked.command.name();
    let program = Program::called(name);
    let (context, command) = Context::new(source, *migrate.asked, program);
    let answer = match Program::has_stray_url(name) {
        true => Err(Failure::new(Exit::Usage, "a URL stands where none belongs")
            .help("write `--database-url` before the URL of the database")),
        false => answer(&context, command).await,
    };
    tell(answer, (name, context.form), &context.program)
}

async fn answer(context: &Context<'_>, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Status { check, by_task, all } => {
            status::status(context, status::Wanted { check, by_task, all }).await
        }
        Command::Plan { target, down, task, sql } => {
            plan::plan(context, plan::Wanted { target, down, task, sql }).await
        }
        Command::Up { target } => up::up(context, &target).await,
        Command::Down { target, asking } => down::down(context, &target, &asking).await,
        Command::Version => version::version(context).await,
        Command::History => history::history(context).await,
        Command::Events { limit } => events::events(context, limit).await,
        Command::Validate => validate::validate(context).await,
        Command::Health => health::health(context).await,
        Command::Recommendations => recommendations::recommendations(context).await,
        Command::Resolve { migration, found, asking } => resolve::resolve(context, (&migration, &found), &asking).await,
        Command::Force { migration, asking } => resolve::force(context, &migration, &asking).await,
        Command::Reset { i_know_this_destroys_data, asking } => {
            reset::reset(context, i_know_this_destroys_data, &asking).await
        }
        Command::Report { form, output } => report::report(context, form, output).await,
        Command::Check { at } => check::check(context, at),
        Command::Sum { at } => sum::sum(context, at),
        Command::New(fresh) => new::new(context, fresh),
        Command::Renumber(wanted) => renumber::renumber(context, wanted).await,
        Command::Explain { code } => explain::explain(code.as_deref()),
        Command::Completions { shell } => completions::completions(context, shell),
        Command::Man { out } => man::man(context, out),
        Command::Baseline { migration, asking } => baseline::baseline(context, &migration, &asking).await,
    }
}

impl Command {
    /// As the user writes it.
    fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Plan { .. } => "plan",
            Self::Up { .. } => "up",
            Self::Down { .. } => "down",
            Self::Version => "version",
            Self::History => "history",
            Self::Events { .. } => "events",
            Self::Validate => "validate",
            Self::Health => "health",
            Self::Recommendations => "recommendations",
            Self::Resolve { .. } => "resolve",
            Self::Force { .. } => "force",
            Self::Reset { .. } => "reset",
            Self::Report { .. } => "report",
            Self::Check { .. } => "check",
            Self::Sum { .. } => "sum",
            Self::New(_) => "new",
            Self::Renumber(_) => "renumber",
            Self::Explain { .. } => "explain",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
            Self::Baseline { .. } => "baseline",
        }
    }
}
