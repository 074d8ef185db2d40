//! `completions`: what a shell completes.

use clap_complete::{Shell, generate};
use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::failure::Failure;

pub(crate) fn completions(context: &Context<'_>, shell: Shell) -> Result<Answer, Failure> {
    let mut command = context.command_line();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let value = json!({ "shell": shell.to_string(), "script": script });
    Ok(Answer::new(script, value))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;
    use crate::arguments::Migrate;
    use crate::program::Program;
    use crate::source::Source;

    #[derive(Parser)]
    #[command(name = "shop", version, propagate_version = true)]
    enum Shop {
        /// Serves.
        Serve,
        Migrate(Migrate),
    }

    #[test]
    fn a_program_of_ones_own_is_completed_as_a_whole() {
        Shop::command().debug_assert();
        let Shop::Migrate(migrate) = Shop::parse_from(["shop", "migrate", "completions", "bash"]) else {
            panic!("it is `migrate`");
        };
        let migrate = migrate.command_line(Shop::command());
        let (context, _) = Context::new(Source::Directory, *migrate.asked, Program::called("completions"));
        let command = context.command_line();
        assert!(command.get_name() == "shop" && command.find_subcommand("serve").is_some());
        let told = format!("{:?}", completions(&context, Shell::Bash).unwrap());
        assert!(told.contains("shop__subcmd__migrate") && told.contains("renumber"), "{told}");
    }
}
