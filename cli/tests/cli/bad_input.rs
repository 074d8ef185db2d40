//! What a person does wrong, and what they read then.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use crate::shop::{Shop, expect, told};

const SECRET: &str = "hunter2";

#[test]
fn the_database_is_not_named_or_not_known() {
    let shop = Shop::without_database(&crate::shop::USUAL);
    shop.shown("no_url", &["status"]);
    shop.shown("unknown_scheme", &["status", "--database-url", "postgrse://app:hunter2@db/shop"]);
    shop.shown("no_scheme", &["status", "--database-url", "shop.db"]);
    shop.shown("url_in_the_wrong_place", &["postgres://app:hunter2@db/shop", "status"]);
    shop.shown("no_server", &["status", "--database-url", "postgres://app:hunter2@127.0.0.1:1/shop"]);
    fs::write(shop.path(".env"), "DATABASE_URL=postgres://app:hunter2@127.0.0.1:1/shop\nnot a line\n").unwrap();
    shop.shown("dotenv_first_found", &["status"]);
    fs::write(shop.path(".env"), "PASSWORD=hunter2 'and more\nDATABASE_URL=sqlite://shop.db\n").unwrap();
    shop.shown("dotenv_wrong", &["status"]);
    fs::write(shop.path(".env"), "DATABASE_URL=sqlite://shop.db?mode=rwc\n").unwrap();
    shop.done(&["up"]);
    assert!(shop.path("shop.db").is_file());
}

#[test]
fn a_url_in_any_wrong_place_is_told_to_nobody() {
    let shop = Shop::usual();
    let url = "postgres://app:hunter2@db/shop";
    for arguments in [
        &["up", url][..],
        &["plan", url],
        &["down", "--task", url],
        &["resolve", url, "--accept"],
        &["force", url],
        &["explain", url],
        &["check", url],
        &["new", url],
        &["status", "--history-table", url],
        &["status", "--directory", url],
        &["report", "html", "--output", url],
        &["up", url, "--json"],
        &["stauts", url, "--json"],
    ] {
        let output = shop.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(!told(&output).contains(SECRET), "{}", told(&output));
    }
    assert_eq!(shop.files().len(), crate::shop::USUAL.len(), "nothing was made of it");
}

#[test]
fn a_name_that_is_not_there_is_told_with_the_nearest() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    for (name, arguments) in [
        ("unknown_name", &["up", "add_emial"][..]),
        ("unknown_number", &["up", "9"]),
        ("unknown_version", &["up", "--to", "0009"]),
        ("unknown_version_down", &["down", "--to", "0009", "--yes"]),
        ("unknown_name_down", &["down", "add_emial", "--yes"]),
        ("unknown_task", &["down", "--task", "TASK-1", "--yes"]),
        ("unknown_baseline", &["baseline", "add_emial", "--yes"]),
        ("unknown_command", &["stauts"]),
        ("unknown_option", &["status", "--chekc"]),
        ("unknown_option_json", &["status", "--json", "--chekc"]),
    ] {
        shop.shown(name, arguments);
    }
}

#[test]
fn a_task_is_rolled_back_as_a_whole_and_a_slip_in_its_name_is_told() {
    let shop = Shop::of(&[
        ("2025-01-10/0001-TASK-123-users_up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n"),
        ("2025-01-10/0001-TASK-123-users_down.sql", "DROP TABLE users;\n"),
        ("2025-01-11/0002-TASK-140-orders_up.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n"),
        ("2025-01-11/0002-TASK-140-orders_down.sql", "DROP TABLE orders;\n"),
        ("2025-01-11/0003-TASK-140-lines_up.sql", "CREATE TABLE lines (id INTEGER PRIMARY KEY);\n"),
        ("2025-01-11/0003-TASK-140-lines_down.sql", "DROP TABLE lines;\n"),
    ]);
    shop.done(&["up"]);
    shop.shown("misspelt_task", &["down", "--task", "TASK-14O", "--yes"]);
    shop.shown("down_task", &["down", "--task", "TASK-140", "--yes"]);
    shop.shown("status_of_tasks", &["status", "--by-task"]);
}

#[test]
fn a_set_that_does_not_load_is_told_as_a_whole() {
    let shop = Shop::usual();
    shop.write("0003_more.sql", "INSERT INTO a VALUES ('x);\n");
    shop.shown("does_not_load", &["status"]);
    shop.shown("does_not_load_json", &["status", "--json"]);
    fs::remove_dir_all(shop.path("migrations")).unwrap();
    shop.shown("no_directory", &["up"]);
}

#[test]
fn two_answers_are_needed_but_nobody_is_there() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    for arguments in [&["down"][..], &["down", "--json"], &["baseline", "0001"]] {
        let output = shop.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        let said = String::from_utf8_lossy(&output.stderr);
        let told =
            "error[usage]: nothing was done: there is no terminal to ask on\n  help: add `--yes` when you mean it\n";
        assert!(said.ends_with(told), "{said}");
    }
    assert_eq!(shop.done(&["version"]), "0003 orders\n");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    for arguments in [&["history"][..], &["history", "--json"], &["completions", "bash"], &["--help"]] {
        let mut child = shop.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Closed before a byte is read.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let shop = Shop::usual();
    // A folder stands where the file should be, which stops root as well.
    fs::create_dir(shop.path("migrations/whimbrel.sum")).unwrap();
    let output = shop.run(&["sum"]);
    expect("sum_unwritable", &told(&output));
}

#[test]
fn no_password_is_shown_anywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/shown");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // What was typed stands in the first line.
        let answer = text.split_once('\n').unwrap().1;
        assert!(!answer.contains(SECRET), "{}", path.display());
    }
}
