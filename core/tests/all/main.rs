//! The tests of this crate that use it from outside, in one binary: linking is what a test run waits for.

mod checks;
mod corpora;
mod golden;
mod properties;
mod reading;

use std::borrow::Cow;

use whimbrel_core::read::{Demand, Outline, read};
use whimbrel_core::script::Options;
use whimbrel_core::{Dialect, Direction, Problem, Script};

/// Reads a script for one dialect.
fn read_as(dialect: Dialect, text: &str) -> Result<Script, Vec<Problem>> {
    read_for(Direction::Up, Some(dialect), &[dialect], text)
}

/// Reads a script for all SQL dialects.
fn read_portable(text: &str) -> Result<Script, Vec<Problem>> {
    read_for(Direction::Up, None, &Dialect::SQL, text)
}

fn read_for(
    direction: Direction,
    dialect: Option<Dialect>,
    read_as: &[Dialect],
    text: &str,
) -> Result<Script, Vec<Problem>> {
    let (options, demand) = (Options::default(), Demand::Nothing);
    let outline = Outline { direction, dialect, read_as, path: "1_x.sql", shown: "m/1_x.sql", options, demand };
    read(&outline, Cow::Owned(text.to_owned()))
}

/// The problems as a user sees them.
fn printed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}
