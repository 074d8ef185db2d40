//! What is loaded, but not without a warning: `warned/migrations` and `warned/expected.txt`.

use std::fs;
use std::path::Path;

use whimbrel_core::load::load;

#[test]
fn what_may_not_be_meant_is_told_and_loaded_all_the_same() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sets/warned");
    let loaded = load(&case.join("migrations"), "migrations", None).unwrap();
    assert_eq!(loaded.migrations.len(), 3);
    let told = loaded.warnings.iter().map(|warning| format!("{}: {warning}\n", warning.0.code()));
    let told = told.collect::<Vec<_>>().join("\n");
    let expected = case.join("expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(expected).unwrap());
}
