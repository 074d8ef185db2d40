//! Schemas of CQL: what a statement does, what the scripts say there is, and whether it is there. No database is asked.
//!
//! `Effect::of(text, keyspace)` is what one statement does: `Effect::Rows` says whether it may run again, and of a schema
//! change `is_additive()` and `took_effect(&found)`. What there is comes from `Schema::found` of the `rows` of each keyspace;
//! `compare(&derive(scripts, keyspace).schema, &found)` names the differences, `unchecked` what was not understood.

// One statement.
mod alter;
mod change;
mod column_type;
mod create;
mod drop;
mod effect;
mod name;
mod reader;
mod repeat;

// A schema.
mod apply;
mod compare;
mod derive;
mod model;
pub(crate) mod rows;
mod took_effect;

pub(crate) use change::Change;
pub(crate) use compare::compare;
pub(crate) use derive::derive;
pub(crate) use effect::Effect;
pub(crate) use model::Schema;
pub(crate) use repeat::Repeat;
