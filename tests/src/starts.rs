//! What processes that start together bring a database to.

use whimbrel::Migrations;

/// How many migrations there are; each leaves one row in `counted`, however often it may have run.
pub const MIGRATIONS: usize = 12;

/// The set that the program `starter` applies.
///
/// # Panics
/// When it is not a valid set.
pub fn set() -> Migrations {
    let file = |number: usize| {
        let text = match number {
            1 => "CREATE TABLE counted (version INTEGER);\nINSERT INTO counted VALUES (1);".to_owned(),
            _ => format!("CREATE TABLE t{number} (id INTEGER);\nINSERT INTO counted VALUES ({number});"),
        };
        (format!("{number:04}_step.sql"), text.into_bytes())
    };
    Migrations::from_files((1..=MIGRATIONS).map(file)).unwrap_or_else(|problems| panic!("{problems}"))
}
