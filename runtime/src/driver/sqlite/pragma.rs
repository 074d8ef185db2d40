//! What scripts set on their connection, and how it is set back.

use whimbrel_core::{Kind, Script};

/// PRAGMAs of the connection that can be read and set back; some outlive even a rollback.
///
/// `defer_foreign_keys` is none of them: it ends with the transaction, and switched off before that it forgets the
/// violations which the COMMIT would have refused (seen). Those of the file (`user_version`, `application_id`, `journal_mode`, `auto_vacuum`) are what a migration may be for.
const SESSION: [&str; 22] = [
    "analysis_limit",
    "automatic_index",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "fullfsync",
    "ignore_check_constraints",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "mmap_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "synchronous",
    "temp_store",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

/// The PRAGMAs of the connection that a script names.
pub(crate) fn named(script: &Script) -> Vec<&'static str> {
    let pragmas = script.statements().filter(|statement| statement.kind == Kind::Session);
    let mut named: Vec<&'static str> = pragmas.filter_map(|statement| name(script.text_of(&statement))).collect();
    named.sort_unstable();
    named.dedup();
    named
}

fn name(text: &str) -> Option<&'static str> {
    let rest = text.get("PRAGMA".len()..).filter(|_| text[..6].eq_ignore_ascii_case("PRAGMA"))?;
    let end = rest.find(['=', '(']).unwrap_or(rest.len());
    let name = rest[..end].rsplit('.').next()?.trim();
    SESSION.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pragma_is_found_however_it_is_written() {
        for text in ["PRAGMA temp_store=2", "pragma main.Temp_Store (memory)", "PRAGMA\n temp_store"] {
            assert_eq!(name(text), Some("temp_store"), "{text}");
        }
        assert_eq!(name("PRAGMA user_version = 7"), None);
    }
}
