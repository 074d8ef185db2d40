//! Asks before something is written that is not easily taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::answer::{Form, say};
use crate::arguments::Asking;
use crate::exit::Exit;
use crate::failure::Failure;

/// Shows what would be done, and asks; goes on by itself where the user has said `--yes`.
///
/// # Errors
/// The user says no, or there is nobody to ask.
pub(crate) fn confirm(what: &str, question: &str, asking: &Asking, form: Form) -> Result<(), Failure> {
    if asking.yes {
        return Ok(());
    }
    say(what);
    if form == Form::Json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(Exit::Usage, "nothing was done: there is no terminal to ask on")
            .help("add `--yes` when you mean it"));
    }
    if answered_yes(question) {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}

fn answered_yes(question: &str) -> bool {
    let _ = write!(anstream::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
