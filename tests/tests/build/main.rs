//! What a user's build does: what it prints when something is wrong, when it happens again, what it leaves behind.
//!
//! The tests generate small packages that depend on this workspace's whimbrel, most of them without a driver, and share
//! one target directory, so that the dependencies are built once.

mod corpora;
mod equal;
mod fail;
mod package;
mod places;
mod readme;
mod rebuild;
mod release;
mod tree;
mod warnings;
