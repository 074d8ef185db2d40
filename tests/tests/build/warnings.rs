//! What rustc says of migrations that are not wrong, but may not be meant.

use crate::package::Package;

const PROGRAM: &str = "
static MIGRATIONS: whimbrel::Migrations = whimbrel::embed_migrations!();
fn main() { println!(\"{}\", MIGRATIONS.len()) }
";

/// What `cargo check` says, and whether it succeeds.
fn checked(package: &Package, program: &str) -> (bool, String) {
    package.write("src/main.rs", program);
    let output = package.cargo(&["check", "--quiet"]).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_warning_is_told_by_rustc_and_can_be_allowed() {
    let package = Package::new("warnings");
    let table = format!("create table k.{} (b int primary key);\n", "t".repeat(49));
    package.write("migrations/0001_init.cql", &table);
    let (succeeds, said) = checked(&package, PROGRAM);
    assert!(succeeds, "{said}");
    for line in [
        "warning: use of deprecated constant `MIGRATIONS::_::WARNING`",
        "the name of this table has 49 characters, and older servers take 48 at most",
        "--> migrations/0001_init.cql:1:16",
        "help: shorten it, or write `-- whimbrel:allow long-name <reason>` above the first statement",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }

    // Where warnings are errors, so is this one, but for its directive.
    let strict = format!("#![deny(warnings)]{PROGRAM}");
    assert!(!checked(&package, &strict).0);
    package.write("migrations/0001_init.cql", &format!("-- whimbrel:allow long-name it is ours\n{table}"));
    assert_eq!(checked(&package, &strict), (true, String::new()));
}
