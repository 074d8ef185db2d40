//! Schemas as catalogues tell them, of any database, and how two of them differ. No database is asked.
//!
//! A driver reads its catalogue into a `Catalogue`; `compare(&expected, &found)` names the differences. What the scripts of
//! a set make is found out by running them in a scratch database (`scratch`), not by reading them.

pub(crate) mod compare;
pub(crate) mod model;
pub(crate) mod tokens;
