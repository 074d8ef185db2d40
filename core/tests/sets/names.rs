//! The names of each layout: what a valid one says, and what an invalid one should be.

use proptest::prelude::*;
use whimbrel_core::{Dialect, Direction, Problem};

/// Path; version, name, task, folder, direction, dialect.
type Case =
    (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>, Direction, Option<Dialect>);

use Dialect::{Cql, Mysql, Postgres, Sqlite};
use Direction::{Down, Up, Verify};

const NUMBERED: &[Case] = &[
    ("000001_init.up.sql", "000001", "init", None, None, Up, None),
    ("000001_init.sql", "000001", "init", None, None, Up, None),
    ("1_init.sql", "1", "init", None, None, Up, None),
    ("0001.sql", "0001", "", None, None, Up, None),
    ("0001.up.sql", "0001", "", None, None, Up, None),
    ("20250110_add_x.up.sql", "20250110", "add_x", None, None, Up, None),
    ("20250110120000123456789_x.sql", "20250110120000123456789", "x", None, None, Up, None),
    ("1.1.0_enhanced.up.cql", "1.1.0", "enhanced", None, None, Up, Some(Cql)),
    ("v1.1.0_enhanced.cql", "1.1.0", "enhanced", None, None, Up, Some(Cql)),
    ("v1.1.0.cql", "1.1.0", "", None, None, Up, Some(Cql)),
    ("1.1.0.up.cql", "1.1.0", "", None, None, Up, Some(Cql)),
    ("205_2.0.0.50.up.sql", "205_2.0.0.50", "", None, None, Up, None),
    ("0005_2_factor.sql", "0005", "2_factor", None, None, Up, None),
    ("0005_upgrade_to_2.0.sql", "0005", "upgrade_to_2.0", None, None, Up, None),
    ("0005_Add-e-mail (old).sql", "0005", "Add-e-mail (old)", None, None, Up, None),
    ("0005_view.sql.up.sql", "0005", "view.sql", None, None, Up, None),
    ("0001_init.postgres.sql", "0001", "init", None, None, Up, Some(Postgres)),
    ("0001_init.postgresql.up.sql", "0001", "init", None, None, Up, Some(Postgres)),
    ("0001_init.up.sqlite3.sql", "0001", "init", None, None, Up, Some(Sqlite)),
    ("0001_init.autocommit.mariadb.up.sql", "0001", "init", None, None, Up, Some(Mysql)),
];

const TASKS: &[Case] = &[
    (
        "2025-01-10/0001-TASK-123-create-users-table_up.sql",
        "0001",
        "create-users-table",
        Some("TASK-123"),
        Some("2025-01-10"),
        Up,
        None,
    ),
    ("2025-01-10/0002-AB2-7-x.sql", "0002", "x", Some("AB2-7"), Some("2025-01-10"), Up, None),
    ("2025-01-10/0003-create-users_up.sql", "0003", "create-users", None, Some("2025-01-10"), Up, None),
    (
        "2025-01-10/0004-TASK-1-x_up.postgres.autocommit.sql",
        "0004",
        "x",
        Some("TASK-1"),
        Some("2025-01-10"),
        Up,
        Some(Postgres),
    ),
    ("2025-01-10_sprint/0005-TASK-1-x.up.sql", "0005", "x", Some("TASK-1"), Some("2025-01-10_sprint"), Up, None),
];

const FOLDERS: &[Case] = &[
    ("20240115100000_init/migration.sql", "20240115100000", "init", None, None, Up, None),
    ("0001_init/up.sql", "0001", "init", None, None, Up, None),
    ("0001/up.sql", "0001", "", None, None, Up, None),
    ("0001_init/up.postgres.sql", "0001", "init", None, None, Up, Some(Postgres)),
    ("0001_init/up.cql", "0001", "init", None, None, Up, Some(Cql)),
    ("v1.1.0/up.cql", "1.1.0", "", None, None, Up, Some(Cql)),
    ("1.1.0_enhanced/up.cql", "1.1.0", "enhanced", None, None, Up, Some(Cql)),
    ("2022-04-26-153628_name/up.sql", "20220426153628", "name", None, None, Up, None),
    ("2025-12-08-135428-0000_name/up.sql", "20251208135428-0000", "name", None, None, Up, None),
];

#[test]
fn a_valid_name_says_what_the_migration_is() {
    for (path, version, name, task, folder, direction, dialect) in NUMBERED.iter().chain(TASKS).chain(FOLDERS) {
        let set = crate::named(&[path]).unwrap_or_else(|problems| panic!("{path}\n{problems}"));
        let migration = set.last().unwrap();
        let script = &migration.scripts()[0];
        assert_eq!(migration.version().as_written(), *version, "{path}");
        assert_eq!((migration.name(), migration.task(), migration.folder()), (*name, *task, *folder), "{path}");
        assert_eq!((script.direction(), script.dialect(), script.path()), (*direction, *dialect, *path), "{path}");
        assert_eq!(script.options().no_transaction, path.contains("autocommit"), "{path}");
    }
}

#[test]
fn each_layout_has_down_and_verify_beside_up() {
    for paths in [
        ["0001_init.up.sql", "0001_init.down.sql", "0001_init.verify.sql"],
        ["0001_init.sql", "001_other_name.down.sql", "1.verify.sql"],
        ["2025-01-10/1-TASK-1-x_up.sql", "2025-01-10/1-TASK-1-x_down.sql", "2025-01-10/1-TASK-1-x_verify.sql"],
        ["2025-01-10/1-x.sql", "2025-01-10/1-x_down.sql", "2025-01-10/1-x.verify.sql"],
        ["0001_init/up.sql", "0001_init/down.sql", "0001_init/verify.sql"],
        ["0001_init/migration.sql", "0001_init/down.sql", "0001_init/verify.sql"],
    ] {
        let files = paths.map(|path| (path, if path.contains("verify") { "select 1;" } else { "drop table a;" }));
        let set = crate::set(&files).unwrap_or_else(|problems| panic!("{paths:?}\n{problems}"));
        assert_eq!(set.len(), 1);
        let found: Vec<_> =
            set.last().unwrap().scripts().iter().map(|script| (script.path(), script.direction())).collect();
        assert_eq!(found, [(paths[0], Up), (paths[1], Down), (paths[2], Verify)]);
    }
}

/// Valid files; a misnamed one; what it should be called.
const RENAMED: &[(&[&str], &str, &str)] = &[
    (&[], "2-add-email.sql", "0002_add_email.up.sql"),
    (&["0001_init.up.sql"], "2-add-email.sql", "0002_add_email.up.sql"),
    (&["0001_init.sql"], "2-add-email.sql", "0002_add_email.sql"),
    (&["001_init.sql"], "2 add email.down.sql", "002_add_email.down.sql"),
    (&["9_init.up.sql", "10_x.up.sql"], "11-add.sql", "11_add.up.sql"),
    (&["0001_init.up.sql"], "0002_x.up.SQL", "0002_x.up.sql"),
    (&["0001_init.up.sql"], "0002_x.Up.sql", "0002_x.up.sql"),
    (&["0001_init.up.sql"], "0002_x.POSTGRES.sql", "0002_x.postgres.up.sql"),
    (&["0001_init.up.sql"], "0002_x.donw.sql", "0002_x.down.sql"),
    (&["0001_init.up.sql"], "0002_x.postgers.up.sql", "0002_x.postgres.up.sql"),
    (&["0001_init.up.sql"], "0002_x.oracle.sql", "0002_x_oracle.up.sql"),
    (&["0001_init.up.sql"], "0002_x.down.up.sql", "0002_x.down.sql"),
    (&["0001_init.cql"], "0002_x.sqlite.cql", "0002_x.cql"),
    (&["0001_init.up.sql"], "add_email.sql", "0002_add_email.up.sql"),
    (&["0009_init.up.sql"], "_add_email.autocommit.sql", "0010_add_email.up.autocommit.sql"),
    (&["0001_init.up.sql"], "0002_.sql", "0002_describe_it.up.sql"),
    (&["1.9_init.sql"], "init.sql", "1.10_init.sql"),
    (&["20250110120000_init.sql"], "2-add.sql", "2_add.sql"),
    (&["20250110120000_init.sql"], "add.sql", "20250110120001_add.sql"),
    (&["0001_a.sql", "5-x.sql"], "add.sql", "0006_add.sql"),
    (&[], "init.up.sql", "0001_init.up.sql"),
    (&[], "V1__init.sql", "0001_init.up.sql"),
    (&["0001_init/up.sql"], "0002-add-email/up.sql", "0002_add_email/up.sql"),
    (&["0001_init/up.sql"], "0002_x/Up.sql", "up.sql"),
    (&["0001_init/up.sql"], "0002_x/upp.sql", "up.sql"),
    (&["0001_init/up.sql"], "0002_x/dwon.postgres.sql", "down.postgres.sql"),
    (&["0001_init/up.sql"], "0002_x/up.down.sql", "up.sql"),
    (&["0001_init/up.sql"], "add_email/up.sql", "0002_add_email/up.sql"),
    (&["2025-01-10/0001-T-1-x_up.sql"], "2025-01-10/2_T-2-y_up.sql", "0002-T-2-y_up.sql"),
    (&["2025-01-10/0001-T-1-x_up.sql"], "2025-01-10/T-2-y z_down.SQL", "0002-T-2-y-z_down.sql"),
    (&["2025-01-10/0001-T-1-x_up.sql"], "2025-01-10/0002-T-2_up.sql", "0002-T-2-describe-it_up.sql"),
];

#[test]
fn a_misnamed_file_is_told_its_name() {
    for (valid, misnamed, renamed) in RENAMED {
        let problems = crate::named(&[valid, &[*misnamed][..]].concat()).unwrap_err();
        let is_of_it = |problem: &&Problem| problem.place().is_some_and(|place| place.path() == *misnamed);
        let problem = problems.iter().filter(is_of_it).find(|problem| problem.code() == "misnamed");
        let problem = problem.unwrap_or_else(|| panic!("{misnamed}\n{problems}"));
        assert_eq!(problem.help_text(), Some(format!("rename it to `{renamed}`").as_str()), "{misnamed}");
        let folder = misnamed.rsplit_once('/').map_or("", |(folder, _)| folder);
        let whole = if renamed.contains('/') || folder.is_empty() {
            renamed.to_string()
        } else {
            format!("{folder}/{renamed}")
        };
        let again = crate::named(&[valid, &[whole.as_str()][..]].concat());
        let is_misnamed = |problem: &Problem| {
            problem.code() == "misnamed" && problem.place().is_some_and(|place| place.path() == whole)
        };
        let misnamed_again = again.err().is_some_and(|found| found.iter().any(is_misnamed));
        assert!(!misnamed_again, "`{whole}` is misnamed too");
    }
}

proptest! {
    #[test]
    fn any_name_is_valid_or_told_a_valid_one(
        folder in "((0001|2025-01-10|[0-9]{0,5}[-_.a-z é]{0,4})/)?",
        name in "[0-9]{0,4}[-_. ]?[0-9]{0,6}[-_.a-zT é]{0,8}",
        suffix in r"(\.up|_up|\.postgres|\.donw|\.[a-zA-Z]{0,3})?",
        extension in "(sql|SQL|cql|rs)",
    ) {
        let path = format!("{folder}{name}{suffix}.{extension}");
        let Err(problems) = crate::named(&[&path]) else { return Ok(()) };
        for problem in problems.iter().filter(|problem| problem.code() == "misnamed") {
            let help = problem.help_text().unwrap_or_default();
            let renamed = help.trim_start_matches("rename it to `").trim_end_matches('`');
            let whole = if renamed.contains('/') { renamed.to_owned() } else { format!("{folder}{renamed}") };
            let again = crate::named(&[&whole]).err().into_iter().flatten();
            let wrong: Vec<_> = again.filter(|found| ["misnamed", "unknown-file"].contains(&found.code())).collect();
            prop_assert!(wrong.is_empty(), "{path} {whole} {wrong:?}");
        }
    }
}
