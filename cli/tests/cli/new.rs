//! `new`: files named as those that are there, which nobody applies before they are written.

use std::fs;

use crate::shop::{Shop, told};

const A: &str = "CREATE TABLE a (id INT PRIMARY KEY);\n";

#[test]
fn files_are_named_as_those_that_are_there() {
    let today = || {
        let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let day = today();
    let tasked = |rest: &str| format!("{day}/0002-TASK-9-add-email_{rest}.sql");
    for (files, arguments, written) in [
        (&[][..], &[][..], vec!["0001_add_email.up.sql", "0001_add_email.down.sql"]),
        (&["001_a.up.sql", "001_a.down.sql"], &[], vec!["002_add_email.up.sql", "002_add_email.down.sql"]),
        (&["0001_a.sql"], &[], vec!["0002_add_email.sql"]),
        (&["0001_a.sql"], &["--down"], vec!["0002_add_email.sql", "0002_add_email.down.sql"]),
        (&["0001_a.sql"], &["--verify"], vec!["0002_add_email.sql", "0002_add_email.verify.sql"]),
        (&["1.1.0_a.up.cql"], &[], vec!["1.1.1_add_email.up.cql"]),
        (
            &["0001_a.sqlite.sql", "0001_a.postgres.sql"],
            &[],
            vec!["0002_add_email.sqlite.sql", "0002_add_email.postgres.sql"],
        ),
        (
            &["0001_a.sqlite.sql", "0001_a.postgres.sql"],
            &["--dialect", "postgres"],
            vec!["0002_add_email.postgres.sql"],
        ),
        (
            &[],
            &["--dialect", "postgres,sqlite"],
            vec![
                "0001_add_email.postgres.up.sql",
                "0001_add_email.sqlite.up.sql",
                "0001_add_email.postgres.down.sql",
                "0001_add_email.sqlite.down.sql",
            ],
        ),
        (&[], &["--dialect", "cql"], vec!["0001_add_email.up.cql", "0001_add_email.down.cql"]),
        (&["0001_a/up.sql", "0001_a/down.sql"], &[], vec!["0002_add_email/up.sql", "0002_add_email/down.sql"]),
        (&["0001_a/migration.sql"], &[], vec!["0002_add_email/migration.sql"]),
        (&["2025-01-10/0001-TASK-1-a_up.sql"], &["--task", "TASK-9"], vec![&tasked("up")]),
        (&["99991231235959_a.sql"], &[], vec!["99991231235960_add_email.sql"]),
        (&["20250110120000_a.sql"], &["--seq"], vec!["20250110120001_add_email.sql"]),
    ] {
        let shop = Shop::without_database(&files.iter().map(|file| (*file, A)).collect::<Vec<_>>());
        let printed = shop.done(&[&["new", "add_email"], arguments].concat());
        let expected: Vec<String> = written.iter().map(|path| format!("migrations/{path}")).collect();
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected, "{files:?} {arguments:?}");
        assert!(expected.iter().all(|path| shop.path(path).is_file()));
    }
    let shop = Shop::without_database(&[]);
    shop.done(&["new", "create users", "--task", "TASK-1"]);
    assert_eq!(
        shop.files(),
        [format!("{day}/0001-TASK-1-create-users_down.sql"), format!("{day}/0001-TASK-1-create-users_up.sql")]
    );
}

#[test]
fn times_are_taken_where_the_others_have_them_or_the_user_wants_them() {
    for (files, arguments, digits) in [
        (&["20250110120000_a.up.sql"][..], &[][..], 14),
        (&["20250110_a.up.sql"], &[], 8),
        (&["1700000000_a.up.sql"], &[], 10),
        (&[], &["--timestamp"], 14),
        (&["0001_a.up.sql"], &["--timestamp"], 14),
    ] {
        let shop = Shop::without_database(&files.iter().map(|file| (*file, A)).collect::<Vec<_>>());
        let printed = shop.done(&[&["new", "b"], arguments].concat());
        let version = printed.trim_start_matches("migrations/").split('_').next().unwrap();
        assert!(version.len() == digits && version > "17", "{files:?}: {printed}");
    }
    let shop = Shop::without_database(&[("whimbrel.toml", "numbering = \"timestamp\"\n")]);
    assert!(shop.done(&["new", "b"]).starts_with("migrations/20"));
}

#[test]
fn a_manifest_is_written_with_its_script() {
    let shop = Shop::without_database(&[
        ("v1.0/manifest.json", r#"{ "CurrVersion": "1.0", "SchemaUpdateCqlFiles": ["a.cql"] }"#),
        ("v1.0/a.cql", "CREATE TABLE k.a (id INT PRIMARY KEY);\n"),
    ]);
    shop.done(&["new", "add_email"]);
    shop.write("v1.1/add_email.cql", "ALTER TABLE k.a ADD email TEXT;\n");
    assert_eq!(shop.done(&["check"]), "migrations: 2 migrations, nothing wrong\n");
}

#[test]
fn what_is_not_written_yet_is_not_applied() {
    let shop = Shop::usual();
    shop.shown("new", &["new", "add_phone", "--verify"]);
    shop.shown("check_unwritten", &["check"]);
    let output = shop.run(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!shop.path("shop.db").exists(), "nothing is even connected");

    shop.write(
        "0004_add_phone.up.sql",
        "-- whimbrel:todo the statements of add_phone\nALTER TABLE users ADD COLUMN phone TEXT;\n",
    );
    // Above the line is as good.
    shop.write("0004_add_phone.down.sql", "ALTER TABLE users DROP COLUMN phone;\n-- whimbrel:todo\n");
    shop.write("0004_add_phone.verify.sql", "SELECT 1;\n");
    shop.done(&["check"]);
    shop.done(&["up"]);
}

#[test]
fn the_sum_file_has_the_new_one_and_says_so_when_it_is_written() {
    let shop = Shop::usual();
    shop.done(&["sum"]);
    let printed = shop.done(&["new", "add_phone"]);
    assert!(printed.ends_with("\nmigrations/whimbrel.sum\n"), "{printed}");
    let sum = fs::read_to_string(shop.path("migrations/whimbrel.sum")).unwrap();
    assert!(sum.lines().last().unwrap().ends_with("0004_add_phone.up.sql"), "{sum}");

    shop.write("0004_add_phone.up.sql", "ALTER TABLE users ADD COLUMN phone TEXT;\n");
    shop.write("0004_add_phone.down.sql", "ALTER TABLE users DROP COLUMN phone;\n");
    shop.shown("check_recorded_before_written", &["check"]);
    shop.done(&["sum"]);
    shop.done(&["check"]);
}

#[test]
fn a_name_is_made_good_and_said() {
    let shop = Shop::usual();
    shop.shown("new_named", &["new", "Add E-Mail!"]);
    shop.shown("new_json", &["new", "Straße", "--json"]);
}

#[test]
fn what_cannot_be_named_is_refused_and_nothing_is_written() {
    let shop = Shop::usual();
    let before = shop.files();
    for (name, arguments) in [
        ("new_taken", &["new", "add-email"][..]),
        ("new_without_letters", &["new", "!?"]),
        ("new_task_elsewhere", &["new", "x", "--task", "TASK-1"]),
        ("new_no_task", &["new", "x", "--task", "task 1"]),
        ("new_both", &["new", "x", "--seq", "--timestamp"]),
        ("new_dialect", &["new", "x", "--dialect", "oracle"]),
    ] {
        shop.shown(name, arguments);
        assert_eq!(shop.files(), before, "{name}");
    }
    // Of the others, what concerns them alone is no hindrance.
    shop.write("notes.txt", "to do");
    shop.done(&["new", "y"]);
    shop.write("whimbrel.toml", "numbering = 1\n");
    let output = shop.run(&["new", "z"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
}

#[test]
fn the_first_one_makes_the_directory() {
    let shop = Shop::without_database(&[]);
    fs::remove_dir(shop.path("migrations")).unwrap();
    assert_eq!(shop.done(&["new", "init"]), "migrations/0001_init.up.sql\nmigrations/0001_init.down.sql\n");
    assert_eq!(
        shop.done(&["new", "init", "--directory", "db/more"]),
        "db/more/0001_init.up.sql\ndb/more/0001_init.down.sql\n"
    );
}
