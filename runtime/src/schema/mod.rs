//! Schemas of CQL: what a statement does, what the scripts say there is, and whether it is there. No database is asked.
//!
//! `Effect::of(text, keyspace)` is what one statement does: `Effect::Rows` says whether it may run again, and of a schema
//! change `is_additive()` and `took_effect(&found)`. What there is comes from `Schema::found` of the `rows` of each keyspace;
//! `compare(&derive(scripts, keyspace).schema, &found)` names the differences, `unchecked` what was not understood.

// One statement.
pub(crate) mod change;
pub(crate) mod effect;
pub(crate) mod name;
pub(crate) mod repeat;

mod alter;
mod column_type;
mod create;
mod drop;
mod reader;

// A schema.
pub(crate) mod catalogue;
pub(crate) mod compare;
pub(crate) mod derive;
pub(crate) mod model;
pub(crate) mod rows;

mod apply;
mod took_effect;
