//! Schemas of CQL: what a statement does, what the scripts say there is, and whether it is there. No database is asked.
//!
//! `Effect::of(text, keyspace)` tells what one statement does: whether it may run again (`Effect::Rows`), whether it only
//! adds, and with `took_effect(&found)` whether it has been done.

mod alter;
mod change;
mod column_type;
mod create;
mod drop;
mod effect;
mod model;
mod name;
mod reader;
mod repeat;

pub(crate) use change::Change;
pub(crate) use effect::Effect;
pub(crate) use model::Schema;
pub(crate) use name::Name;
pub(crate) use repeat::Repeat;
