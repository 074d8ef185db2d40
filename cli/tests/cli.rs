//! The binary, as a person or a pipeline runs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn whimbrel(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whimbrel")).current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn an_edit_after_the_sum_is_written_is_named_and_the_sum_can_be_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations");
    fs::create_dir(&migrations).unwrap();
    fs::write(migrations.join("0001_init.sql"), "create table a (b int);\n").unwrap();
    let output = whimbrel(folder.path(), &["sum"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "migrations/whimbrel.sum: 1 migration\n");
    assert!(whimbrel(folder.path(), &["check"]).status.success());

    fs::write(migrations.join("0001_init.sql"), "create table a (b text);\n").unwrap();
    let output = whimbrel(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`0001_init.sql` was edited") && said.contains("run `whimbrel sum`"), "{said}");

    assert!(whimbrel(folder.path(), &["sum", "migrations"]).status.success());
    let output = whimbrel(folder.path(), &["check", "--directory=migrations"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "migrations: 1 migration, nothing wrong\n");
}

#[test]
fn a_warning_is_told_and_wrong_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations");
    fs::create_dir(&migrations).unwrap();
    let table = format!("create table k.{} (b int primary key);\n", "t".repeat(49));
    fs::write(migrations.join("0001_init.cql"), &table).unwrap();
    let output = whimbrel(folder.path(), &["check"]);
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*out), (Some(0), "migrations: 1 migration, 1 warning\n"));
    assert!(said.starts_with("warning: the name of this table has 49 characters"), "{said}");
    assert!(said.contains("--> migrations/0001_init.cql:1:16") && said.contains("whimbrel:allow long-name"), "{said}");

    fs::write(migrations.join("0001_init.cql"), format!("-- whimbrel:allow long-name it is ours\n{table}")).unwrap();
    let output = whimbrel(folder.path(), &["check"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "migrations: 1 migration, nothing wrong\n");
    assert!(output.stderr.is_empty());
}

#[test]
fn the_dialect_that_only_the_macro_names_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations");
    fs::create_dir(&migrations).unwrap();
    fs::write(migrations.join("0001_f.sql"), "do $$ begin perform 1; end $$;\n").unwrap();
    let output = whimbrel(folder.path(), &["sum"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.ends_with("name it here too: `--dialect postgres`\n"), "{said}");

    for arguments in [
        &["sum", "--dialect", "postgres"][..],
        &["--dialect=PostgreSQL", "check", "migrations"],
        &["check", "--dialect", "postgresql"],
    ] {
        let output = whimbrel(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = whimbrel(folder.path(), &["sum", "--dialect", "oracle"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("'oracle'") && said.contains("write one of `sqlite`, `postgres`, `mysql`, `cql`"), "{said}");
}

#[test]
fn what_it_does_not_know_it_does_not_guess() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [&["smu"][..], &["sum", "--dialect"], &["sum", "a", "b"], &["check", "--dailect=postgres"], &[]] {
        assert_eq!(whimbrel(folder.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
    let output = whimbrel(folder.path(), &["sum", "--directory", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .starts_with("error[missing-directory]: there is no directory `nowhere`")
    );
}
