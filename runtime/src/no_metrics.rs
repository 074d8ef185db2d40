//! Nobody counts.

use whimbrel_core::{Dialect, Migrations};

use crate::error::Error;
use crate::health::Health;
use crate::history::History;
use crate::report::Report;

pub(crate) fn run(_: &Migrations, _: Dialect, _: &Report, _: Option<&Error>) {}

pub(crate) fn health(_: &Health, _: &History, _: Dialect) {}

pub(crate) fn unread(_: Option<Dialect>) {}
