//! What the library promises, told once and run on every database that it applies to.

mod applying;
mod bad_input;
mod events;
mod health;
mod logs;
mod outside;
mod reading;
mod recommendations;
mod refusals;
mod requests;
mod right;
mod rolling_back;
mod secrets;
mod sessions;
mod settings;
mod starters;
mod stopping;
mod waiting;
pub(crate) mod world;
