//! `renumber`: two branches have added the same number.

use std::fs;
use std::process::{Command, Stdio};

use crate::shop::{Shop, bare};

const A: &str = "CREATE TABLE a (id INT PRIMARY KEY);\n";

fn table(name: &str) -> String {
    format!("CREATE TABLE {name} (id INT PRIMARY KEY);\n")
}

fn shop(files: &[&str]) -> Shop {
    Shop::without_database(&files.iter().map(|file| (*file, A)).collect::<Vec<_>>())
}

#[test]
fn the_one_that_is_named_keeps_its_number_whatever_the_layout() {
    for (files, keep, renamed) in [
        (
            &["0001_a.sql", "0002_b.sql", "0002_c.sql"][..],
            "0002_b.sql",
            &["0001_a.sql", "0002_b.sql", "0003_c.sql"][..],
        ),
        (
            &[
                "0001_a.up.sql",
                "0002_b.up.sql",
                "0002_b.down.sql",
                "0002_c.up.sql",
                "0002_c.down.sql",
                "0002_c.verify.sql",
            ],
            "migrations/0002_c.down.sql",
            &[
                "0001_a.up.sql",
                "0002_c.down.sql",
                "0002_c.up.sql",
                "0002_c.verify.sql",
                "0003_b.down.sql",
                "0003_b.up.sql",
            ],
        ),
        (
            &["0001_a.sqlite.sql", "0001_a.postgres.sql", "0001_b.sqlite.sql", "0001_b.postgres.sql"],
            "0001_b.sqlite.sql",
            &["0001_b.postgres.sql", "0001_b.sqlite.sql", "0002_a.postgres.sql", "0002_a.sqlite.sql"],
        ),
        (
            &["0001_a/up.sql", "0002_b/up.sql", "0002_b/metadata.toml", "0002_c/up.sql"],
            "0002_c/up.sql",
            &["0001_a/up.sql", "0002_c/up.sql", "0003_b/metadata.toml", "0003_b/up.sql"],
        ),
        (
            &[
                "2025-01-10/0001-TASK-1-a_up.sql",
                "2025-01-11/0001-TASK-2-b_up.sql",
                "2025-01-11/0001-TASK-2-b_down.sql",
            ],
            "2025-01-10/0001-TASK-1-a_up.sql",
            &[
                "2025-01-10/0001-TASK-1-a_up.sql",
                "2025-01-11/0002-TASK-2-b_down.sql",
                "2025-01-11/0002-TASK-2-b_up.sql",
            ],
        ),
        (&["v1.0.0_a.cql", "v1.1.0_b.cql", "v1.1_c.cql"], "v1.1_c.cql", &["v1.0.0_a.cql", "v1.1_c.cql", "v1.2_b.cql"]),
        (&["01_a.sql", "2_b.sql", "02_c.sql"], "2_b.sql", &["01_a.sql", "2_b.sql", "3_c.sql"]),
    ] {
        let shop = shop(files);
        for path in files.iter().filter(|path| path.ends_with(".toml")) {
            shop.write(path, "run_in_transaction = true\n");
        }
        shop.done(&["renumber", "--yes", "--keep", keep]);
        assert_eq!(shop.files(), renamed, "{files:?}");
    }
}

#[test]
fn without_knowing_which_came_first_nothing_is_renamed() {
    let shop = shop(&["0001_a.sql", "0002_b.sql", "0002_c.sql"]);
    shop.shown("renumber_undecided", &["renumber", "--yes"]);
    shop.shown("renumber_keep_unknown", &["renumber", "--yes", "--keep", "0002_bb.sql"]);
    shop.shown("renumber_asks", &["renumber", "--keep", "0002_b.sql"]);
    assert_eq!(shop.files(), ["0001_a.sql", "0002_b.sql", "0002_c.sql"]);
    shop.shown("renumber_json", &["renumber", "--yes", "--keep", "0002_b.sql", "--json"]);
    shop.shown("renumber_nothing", &["renumber"]);
}

#[test]
fn what_a_database_has_run_keeps_its_number() {
    let shop = Shop::usual();
    shop.done(&["up"]);
    shop.write("0002_a_phone.up.sql", "ALTER TABLE users ADD COLUMN phone TEXT;\n");
    shop.write("0002_a_phone.down.sql", "ALTER TABLE users DROP COLUMN phone;\n");
    shop.shown("renumber_keep_applied", &["renumber", "--yes", "--keep", "0002_a_phone.up.sql"]);
    shop.shown("renumber", &["renumber", "--yes"]);
    assert_eq!(shop.done(&["check"]), "migrations: 4 migrations, nothing wrong\n");
    assert!(shop.done(&["up"]).starts_with("applied 1 migration"));
}

#[test]
fn what_came_with_a_renumbered_one_follows_it() {
    let shop = shop(&["0001_a.sql", "0002_b.sql"]);
    shop.done(&["sum"]);
    // Another branch brings two, of which the second needs the first.
    for (path, name) in [("0002_c.sql", "c"), ("0003_d.sql", "d")] {
        shop.write(path, &table(name));
    }
    shop.shown("renumber_recorded", &["renumber", "--yes"]);
    assert_eq!(shop.files(), ["0001_a.sql", "0002_b.sql", "0003_c.sql", "0004_d.sql", "whimbrel.sum"]);
    assert!(fs::read_to_string(shop.path("migrations/whimbrel.sum")).unwrap().contains("0004_d.sql"));
    shop.done(&["check"]);
}

#[test]
fn what_the_main_branch_has_keeps_its_number() {
    let shop = shop(&["0001_a.sql"]);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=ada", "-c", "user.email=ada@example.org"]).args(arguments);
        bare(&mut git);
        let output = git.current_dir(shop.folder()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let commit = |path: &str, name: &str| {
        shop.write(path, &table(name));
        git(&["add", "."]);
        git(&["commit", "-q", "-m", name]);
    };
    git(&["init", "-q", "-b", "main"]);
    commit("0001_a.sql", "a");
    git(&["checkout", "-q", "-b", "mine"]);
    commit("0002_mine.sql", "mine");
    git(&["checkout", "-q", "main"]);
    commit("0002_theirs.sql", "theirs");
    git(&["checkout", "-q", "mine"]);
    git(&["merge", "-q", "-m", "merge", "main"]);
    shop.shown("renumber_base_unknown", &["renumber", "--base", "mian", "--yes"]);
    shop.shown("renumber_main", &["renumber", "--yes"]);
    assert_eq!(shop.files(), ["0001_a.sql", "0002_theirs.sql", "0003_mine.sql"]);
}

#[test]
fn nothing_is_overwritten() {
    let shop = shop(&["0001_a.sql", "0002_b/up.sql"]);
    fs::remove_file(shop.path("migrations/0001_a.sql")).unwrap();
    for path in ["0001_a/up.sql", "0002_c/up.sql"] {
        shop.write(path, A);
    }
    fs::create_dir(shop.path("migrations/0003_c")).unwrap();
    let output = shop.run(&["renumber", "--yes", "--keep", "0002_b/up.sql"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`0003_c` is there already; nothing was renamed"));
}
