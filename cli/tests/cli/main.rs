//! The binary, as a person or a pipeline runs it.

mod normal;
mod shop;
mod transcript;

mod bad_input;
mod directories;
mod documents;
mod explanations;
mod generated;
mod new;
mod renumber;
mod reports;
mod screens;
mod servers;
mod terminal;
