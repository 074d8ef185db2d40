//! What the library promises, told once and run on every database that it applies to.

mod applying;
mod bad_input;
mod drift;
mod outside;
mod reading;
mod refusals;
mod requests;
mod right;
mod rolling_back;
mod secrets;
mod sessions;
mod settings;
mod starters;
mod testing;
mod waiting;
pub(crate) mod world;
