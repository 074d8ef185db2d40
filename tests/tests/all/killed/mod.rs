//! Promise 6: a run that is killed, cut off or told to stop, at any of its requests and on either side of each, leaves
//! what the next run makes equal to a database that was never disturbed, and no statement runs twice.

mod cassandra;
mod dump;
mod faults;
mod matrix;
mod mysql;
mod paused;
mod postgres;
mod sqlite;
mod stampede;
mod three_nodes;
mod unrepeatable;
