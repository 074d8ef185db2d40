//! What a release binary holds.

use std::fs;
use std::path::PathBuf;

use crate::package::{Package, packages, workspace};

const PROGRAM: &str = r#"
static MIGRATIONS: whimbrel::Migrations = whimbrel::embed_migrations!("migrations");
const AGAIN: whimbrel::Migrations = whimbrel::embed_migrations!("./migrations");

fn main() {
    println!("{} {MIGRATIONS:?} {:?}", MIGRATIONS.directory(), AGAIN.clone());
}
"#;

#[test]
fn two_checkouts_give_the_same_release_binary_without_their_paths() {
    let checkouts = ["first-checkout", "second-checkout-with-a-longer-name"].map(|name| packages().join(name));
    let [first, second] = checkouts.clone().map(|folder| build(folder, &checkouts));
    assert!(first == second, "they differ");
    for checkout in &checkouts {
        assert!(!contains(&first, checkout.to_str().unwrap()), "the path of a checkout is in the binary");
    }
}

#[test]
fn a_release_binary_holds_no_path_of_the_package_also_without_remapping() {
    let package = package(packages().join("plain-release"));
    package.succeed(&["build", "--quiet", "--release"]);
    let binary = fs::read(packages().join("target/release/checkout")).unwrap();
    assert!(contains(&binary, "create table users"));
    assert!(!contains(&binary, "plain-release"), "the path of the package is in the binary");
}

fn build(folder: PathBuf, checkouts: &[PathBuf; 2]) -> Vec<u8> {
    let package = package(folder);
    let remapped = |from: &PathBuf| format!("--remap-path-prefix={}=/checkout", from.display());
    // The same flags for both, so that the dependencies are built once.
    let flags = checkouts.iter().map(remapped).chain([format!("--remap-path-prefix={}=/w", workspace().display())]);
    let flags = flags.collect::<Vec<_>>().join("\u{1f}");
    let target = packages().join("target-remapped");
    let mut command = package.cargo(&["build", "--quiet", "--release"]);
    let output = command.env("CARGO_ENCODED_RUSTFLAGS", flags).env("CARGO_TARGET_DIR", &target).output().unwrap();
    crate::package::succeeded(&output);
    fs::read(target.join("release/checkout")).unwrap()
}

fn package(folder: PathBuf) -> Package {
    let package = Package::at(&folder, "checkout");
    package.write("src/main.rs", PROGRAM);
    package.write("migrations/0001_users.sql", "create table users (id integer);\n");
    package.write("migrations/0002_notes.sql", "create table notes (id integer);\n");
    package
}

fn contains(binary: &[u8], text: &str) -> bool {
    binary.windows(text.len()).any(|window| window == text.as_bytes())
}
