//! Foreign keys, switched off around a script that rebuilds a table.
//!
//! SQLite ignores `PRAGMA foreign_keys` inside a transaction, and a rebuild would then delete the children of
//! `ON DELETE CASCADE`.

use crate::driver::completed::{ALL, NONE};
use crate::driver::sqlite::answer::Fault;
use crate::driver::sqlite::link::Link;
use crate::error::DatabaseError;

/// Returns a row for each violated key, and never an error.
pub(crate) const FOREIGN_KEY_CHECK: &str = "PRAGMA foreign_key_check";

/// Switches them off, and remembers to set back what was; without `legacy_alter_table` a rename fails when a view names
/// the table.
pub(crate) async fn switch_foreign_keys_off(link: &mut Link<'_>) -> Result<(), Fault> {
    const PRAGMAS: [(&str, &str); 2] = [("foreign_keys", "OFF"), ("legacy_alter_table", "ON")];
    for (name, value) in PRAGMAS {
        let before = link.send(format!("PRAGMA {name}"), ALL).await?.rows.into_iter().flatten().flatten().next();
        link.remember(before.map(|before| format!("PRAGMA {name} = {before}")));
        link.send(format!("PRAGMA {name} = {value}"), NONE).await?;
    }
    Ok(())
}

/// What a row of the check says.
pub(crate) fn violated(row: &[Option<String>]) -> DatabaseError {
    let column = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or("?");
    let message = format!(
        "foreign key violated: row {} of {} refers to {}, where there is none",
        column(1),
        column(0),
        column(2)
    );
    DatabaseError { message, code: None, detail: None, hint: None }
}
