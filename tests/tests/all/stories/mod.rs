//! What the library promises, told once and run on every database that it applies to.

mod applying;
mod backup;
mod bad_input;
mod drift;
mod events;
mod health;
mod logs;
mod outside;
mod readiness;
mod reading;
mod recommendations;
mod refusals;
mod requests;
mod resetting;
mod resolving;
mod right;
mod rolling_back;
mod secrets;
mod sessions;
mod settings;
mod starters;
mod stopping;
mod testing;
mod up_to_date;
mod waiting;
pub(crate) mod world;
