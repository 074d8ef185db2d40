//! What users compile.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use crate::package::{succeeded, workspace};

/// Each of them is compiled before the user's crate can be.
#[test]
fn the_macro_is_small() {
    let tree = tree("whimbrel-macros", &[]);
    assert!(tree.len() <= 20, "{} packages: {tree:#?}", tree.len());
}

#[test]
fn neither_core_nor_the_macro_knows_a_driver() {
    let tree = &tree("whimbrel-core", &[]) | &tree("whimbrel-macros", &[]);
    let drivers: Vec<_> = tree.iter().filter(|name| is_driver(name)).collect();
    assert!(drivers.is_empty(), "{drivers:?}");
}

#[test]
fn without_features_the_library_has_no_driver() {
    let tree = tree("whimbrel", &["--no-default-features"]);
    let drivers: Vec<_> = tree.iter().filter(|name| is_driver(name)).collect();
    assert!(drivers.is_empty(), "{drivers:?}");
}

fn is_driver(name: &str) -> bool {
    ["sqlx", "scylla", "libsqlite3-sys", "rusqlite", "postgres"].iter().any(|driver| name.starts_with(driver))
}

/// The names of a package and of everything below it that is compiled for it on this machine, also by build scripts.
fn tree(package: &str, more: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command.args(["tree", "--offline", "-p", package, "--edges=normal,build", "--prefix=none"]);
    let output = command.args(more).output().unwrap();
    succeeded(&output);
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}
