//! One mistake, one folder: `fail/<case>/migrations` holds it, `expected.txt` what rustc prints, `call.rs` the macro
//! call where it is not the usual one. `UPDATE_EXPECTED=1` rewrites what is expected.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, fs};

use crate::package::{Package, workspace};

macro_rules! cases {
    ($($case:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($case)),*];
        $(#[test] fn $case() { check(stringify!($case)); })*
    };
}

cases! {
    absolute_path
    argument_is_not_a_literal
    client_command
    copy_from_stdin
    dialect_is_ambiguous
    dialect_is_unknown
    directive_is_unknown
    directory_is_a_file
    directory_is_missing
    directory_is_the_package
    down_without_up
    duplicate_version
    duplicate_version_with_zeros
    empty_file
    empty_set
    gap
    key_of_the_config_is_unknown
    key_of_the_macro_is_unknown
    layouts_are_mixed
    not_utf8
    script_was_edited_after_it_was_recorded
    several_problems_at_once
    unterminated_quote
    wrong_file_name
}

#[test]
fn every_folder_is_a_case() {
    let mut folders: Vec<_> = fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, CASES);
}

fn check(case: &str) {
    let printed = printed(case);
    let path = folder(case).join("expected.txt");
    if env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path, printed).unwrap();
    } else {
        let expected = fs::read_to_string(path).unwrap_or_default();
        assert!(printed == expected, "\nexpected:\n{expected}\nprinted:\n{printed}\nUPDATE_EXPECTED=1 accepts it");
    }
}

/// What rustc says of the program; not what it says of whimbrel, nor cargo's summary.
fn printed(case: &str) -> String {
    let output = package().cargo(&["check", "--quiet", "--bin", case]).output().unwrap();
    assert!(!output.status.success(), "it compiles");
    // Windows prints the path of the program with other separators.
    let printed = String::from_utf8(output.stderr).unwrap().replace("\r\n", "\n").replace("src\\bin\\", "src/bin/");
    let program = format!("src/bin/{case}.rs");
    let said: Vec<_> = printed.split("\n\n").filter(|said| said.contains(&program)).map(str::trim).collect();
    said.join("\n\n") + "\n"
}

/// One package with a program for each case; the migrations of a case stand in a folder of its name.
fn package() -> &'static Package {
    static PACKAGE: OnceLock<Package> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let package = Package::new("fail");
        for case in CASES {
            package.copy(&folder(case).join("migrations"), case);
            package.write(&format!("src/bin/{case}.rs"), &program(case));
        }
        package
    })
}

fn program(case: &str) -> String {
    let call = fs::read_to_string(folder(case).join("call.rs"));
    let call = call.unwrap_or_else(|_| format!("whimbrel::embed_migrations!(\"{case}\")"));
    format!("static MIGRATIONS: whimbrel::Migrations = {};\nfn main() {{ drop(MIGRATIONS.clone()) }}\n", call.trim())
}

fn folder(case: &str) -> PathBuf {
    workspace().join("tests/tests/build/fail").join(case)
}
