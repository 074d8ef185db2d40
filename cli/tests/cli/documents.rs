//! Documents whose screens are produced by running them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::transcript::carried_out;

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

#[test]
fn the_screens_of_the_command_line_are_what_it_prints() {
    carried_out(&page("cli.md"));
}

#[test]
fn exit_codes_mean_the_same_on_both_pages() {
    let table = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(page(name)).unwrap();
        let table = text.lines().skip_while(|line| !line.starts_with("| code | means |"));
        table.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    };
    let codes = table("operations.md");
    assert_eq!(codes.len(), 12, "{codes:#?}");
    assert_eq!(table("cli.md"), codes);
}
