//! A backup is made before the first change, can be restored, and without one nothing is run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, MySqlConnection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::task::JoinSet;
use whimbrel::{Backup, ErrorKind, Migrations, Migrator, Outcome, Progress, Rollback, Target};
use whimbrel_tests::{Proxy, mysql, postgres, sqlite};

use crate::stories::world::{World, set, stories};

stories! {
    a_backup_holds_what_was_before_and_can_be_restored on sqlite, postgres, mysql
    a_rollback_is_backed_up_and_a_baseline_is_not on sqlite, postgres, mysql
    up_to_date_makes_no_backup on sqlite, postgres, mysql
    ten_starters_make_one_backup on sqlite, postgres, mysql
    without_a_backup_nothing_is_run on sqlite, postgres, mysql
    a_full_disk_says_which_folder_and_what_it_would_take on sqlite, postgres, mysql
    a_run_that_is_killed_at_its_backup_leaves_none_and_the_next_makes_its_own on sqlite, postgres, mysql
    a_run_that_is_dropped_at_its_backup_leaves_no_part on sqlite, postgres, mysql
    a_run_that_is_stopped_at_its_backup_leaves_no_part on sqlite, postgres, mysql
    a_server_that_ends_idle_sessions_lets_a_backup_be_made on postgres
    a_backup_is_waited_for_no_longer_than_the_patience on sqlite, postgres, mysql
    a_command_learns_what_it_needs_and_no_password on sqlite, postgres, mysql, scylla
    a_command_may_be_told_the_password on postgres, mysql
    no_password_is_on_a_command_line_or_in_a_message on postgres, mysql
    a_program_is_found_or_the_help_says_what_to_install on postgres, mysql
    on_a_connection_that_was_passed_in on sqlite, postgres, mysql
    only_a_command_backs_up_a_cluster on scylla
}

/// The second one destroys.
fn guests() -> Migrations {
    set([
        (
            "0001_guests.up.sql",
            "CREATE TABLE guests (id INT PRIMARY KEY, name VARCHAR(40));\nINSERT INTO guests VALUES (1, 'Ada'), (2, 'it''s; Bob'), (3, NULL);",
        ),
        ("0001_guests.down.sql", "DROP TABLE guests;"),
        ("0002_forget.up.sql", "DELETE FROM guests;\nALTER TABLE guests ADD COLUMN email VARCHAR(40);"),
        ("0002_forget.down.sql", "ALTER TABLE guests DROP COLUMN email;"),
        ("0003_rooms.up.sql", "CREATE TABLE rooms (id INT PRIMARY KEY);"),
        ("0003_rooms.down.sql", "DROP TABLE rooms;"),
    ])
}

/// The names of the files in a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A script that is run instead of a program.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn a_backup_holds_what_was_before_and_can_be_restored(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    world.migrator(&set).up_to(Target::Steps(1)).await.unwrap();
    let backup = Backup::to_folder(folder.path());
    let report = world.migrator(&set).backup_before_migration(backup).up().await.unwrap();
    assert_eq!(world.count("guests").await, 0, "the migration destroys what the backup has");

    // One file with a telling name, for this account alone, of which report and events tell.
    let [name] = &files(folder.path())[..] else { panic!("{:?}", files(folder.path())) };
    let stem = if world.is_sqlite() { "test" } else { world.database() };
    let (start, rest) = name.split_at(stem.len() + 1);
    assert_eq!(
        (start, rest.len()),
        (&*format!("{stem}-"), 16 + world.each("-before-0002.sqlite", "-before-0002.dump", "-before-0002.sql").len()),
        "{name}"
    );
    assert!(rest.ends_with(world.each("Z-before-0002.sqlite", "Z-before-0002.dump", "Z-before-0002.sql")), "{name}");
    let path = folder.path().join(name);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let made = report.backup().unwrap();
    assert_eq!((&*made.place, made.bytes), (path.to_str().unwrap(), Some(metadata.len())));
    let line = format!("\n  backed up to {made}\n");
    assert!(report.to_string().contains(&line), "{report}");
    assert_eq!(world.details("backed_up").await, [made.to_string()]);
    assert_eq!(world.events_of("2").await[0], "backed_up");

    let restored = Restored::from(&world, &path).await;
    assert_eq!(restored.names().await, "1 Ada, 2 it's; Bob, 3 -");
    let mut migrator = Migrator::connect(&set, &restored.url).unwrap();
    let before: Vec<String> = migrator.history().await.unwrap().iter().map(|entry| entry.version.to_string()).collect();
    assert_eq!(before, ["0001"]);
    let again = migrator.up().await.unwrap();
    assert_eq!((again.steps().len(), again.applied(), again.backup()), (2, 3, None));
}

/// A database of its own that was made from a backup; what it lies in is gone with it.
struct Restored {
    url: String,
    _in: Box<dyn std::any::Any>,
}

impl Restored {
    async fn from(world: &World, backup: &Path) -> Self {
        match world {
            World::Sqlite(..) => {
                let database = sqlite::Database::create();
                fs::copy(backup, database.path()).unwrap();
                Self { url: database.url(), _in: Box::new(database) }
            }
            World::Postgres(..) => {
                let database = postgres::Database::create().await.unwrap();
                let restored = Command::new("pg_restore")
                    .arg("--exit-on-error")
                    .arg(format!("--dbname={}", database.url()))
                    .arg(backup)
                    .output();
                succeeds(restored.unwrap());
                Self { url: database.url(), _in: Box::new(database) }
            }
            World::Mysql(..) => {
                let database = mysql::Database::create().await.unwrap();
                let url = url::Url::parse(&database.url()).unwrap();
                let mut client = Command::new("mariadb");
                client.args(["--protocol=TCP", "--host", url.host_str().unwrap()]);
                client.args(["--port", &url.port().unwrap_or(3306).to_string(), "--user", url.username()]);
                client.env("MYSQL_PWD", url.password().unwrap_or_default()).arg(database.name());
                succeeds(client.stdin(fs::File::open(backup).unwrap()).output().unwrap());
                Self { url: database.url(), _in: Box::new(database) }
            }
            World::Scylla(..) => unreachable!("no file is made of a cluster"),
        }
    }

    async fn names(&self) -> String {
        let sql = "SELECT id, name FROM guests ORDER BY id";
        let rows: Vec<(i32, Option<String>)> = match self.url.split(':').next().unwrap() {
            "sqlite" => sqlx::query_as(sql).fetch_all(&mut SqliteConnection::connect(&self.url).await.unwrap()).await,
            "mysql" => sqlx::query_as(sql).fetch_all(&mut MySqlConnection::connect(&self.url).await.unwrap()).await,
            _ => sqlx::query_as(sql).fetch_all(&mut PgConnection::connect(&self.url).await.unwrap()).await,
        }
        .unwrap();
        let shown = rows.iter().map(|(id, name)| format!("{id} {}", name.as_deref().unwrap_or("-")));
        shown.collect::<Vec<_>>().join(", ")
    }
}

fn succeeds(output: std::process::Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn a_rollback_is_backed_up_and_a_baseline_is_not(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let migrator = || world.migrator(&set).backup_before_migration(Backup::to_folder(folder.path()));
    world.run("CREATE TABLE guests (id INT PRIMARY KEY, name VARCHAR(40))").await;
    let report = migrator().baseline(&"1".parse().unwrap()).await.unwrap();
    assert_eq!((report.backup(), files(folder.path()).len()), (None, 0));
    // One for all that is pending.
    migrator().up().await.unwrap();
    assert_eq!(files(folder.path()).len(), 1);
    let report = migrator().down(Rollback::Steps(2)).await.unwrap();
    let made = &report.backup().unwrap().place;
    assert!(made.contains("Z-before-rollback-of-0003."), "{made}");
    assert_eq!(files(folder.path()).len(), 2);
    assert_eq!(world.details("backed_up").await.len(), 2);
}

async fn up_to_date_makes_no_backup(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    world.up(&set).await.unwrap();
    let backup = || Backup::to_folder(folder.path());
    let report = world.migrator(&set).backup_before_migration(backup()).up().await.unwrap();
    assert_eq!((report.backup(), files(folder.path()).len()), (None, 0));
    assert!(!report.to_string().contains("backed up"));
    if let World::Postgres(_, database) = &world {
        let proxy = Proxy::start(&database.url()).await;
        let mut migrator = Migrator::connect(&set, &proxy.url()).unwrap().backup_before_migration(backup());
        assert!(migrator.up().await.unwrap().is_up_to_date());
        assert_eq!(proxy.requests(), 1, "{:#?}", proxy.log());
    }
}

async fn ten_starters_make_one_backup(world: World) {
    let set: &'static Migrations = Box::leak(Box::new(guests()));
    // Empty, and half-migrated.
    for steps in [0, 1] {
        if steps == 1 {
            world.migrator(set).down(Rollback::To("1".parse().unwrap())).await.unwrap();
        }
        let folder = TempDir::new().unwrap();
        let mut starters = JoinSet::new();
        for _ in 0..10 {
            let (url, folder) = (world.url(), folder.path().to_owned());
            starters.spawn(async move {
                Migrator::connect(set, &url)?.backup_before_migration(Backup::to_folder(folder)).up().await
            });
        }
        let (mut backups, mut applied) = (0, 0);
        while let Some(report) = starters.join_next().await {
            let report = report.unwrap().unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(report.applied(), 3);
            backups += usize::from(report.backup().is_some());
            applied += report.steps().len();
        }
        assert_eq!((backups, applied, files(folder.path()).len()), (1, 3 - steps, 1));
        assert_eq!(world.details("backed_up").await.len(), 1 + steps);
    }
}

async fn without_a_backup_nothing_is_run(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let here = folder.path().display().to_string();
    let file = format!("{here}/a_file");
    fs::write(&file, "").unwrap();
    let fails = "for line in 1 2 3 4 5 6 '  last'; do echo $line >&2; done; exit 3";
    for (backup, expected) in [
        (
            Backup::to_folder(format!("{here}/nowhere")),
            "there is no folder `<folder>/nowhere` for the backup; nothing was run\n\
             \u{20} help: make or mount `<folder>/nowhere`, then run it again",
        ),
        (
            Backup::to_folder(&file),
            "there is no folder `<folder>/a_file` for the backup; nothing was run\n\
             \u{20} help: make or mount `<folder>/a_file`, then run it again",
        ),
        (
            Backup::to_folder("/proc"),
            "the backup cannot be written to `/proc`: No such file or directory (os error 2); nothing was run\n\
             \u{20} help: let this account write to `/proc`, or name another folder; then run it again",
        ),
        (
            Backup::command(fails),
            "the backup failed: its command ended with 3; nothing was run\n  3\n  4\n  5\n  6\n  last\n\
             \u{20} help: see what it says, mend that, and run it again",
        ),
        (
            Backup::command("kill -9 $$").in_folder(&here),
            "the backup failed: its command was ended by signal 9; nothing was run\n\
             \u{20} help: see what it says, mend that, and run it again",
        ),
        (
            Backup::command("true").in_folder(&here),
            "the backup in `<folder>` is empty; nothing was run\n\
             \u{20} help: see that the program or command writes the backup, and run it again",
        ),
        (
            Backup::command("rm \"$WHIMBREL_BACKUP_FILE\"").in_folder(&here),
            "the backup in `<folder>` is empty; nothing was run\n\
             \u{20} help: see that the program or command writes the backup, and run it again",
        ),
    ] {
        let error = world.migrator(&set).backup_before_migration(backup).up().await.unwrap_err();
        assert_eq!((error.kind(), error.kind().name()), (ErrorKind::Backup, "backup"));
        let shown = format!("{error:?}").replace(&here, "<folder>");
        let (message, help) =
            shown.split_once("\napplied 0 of 3 migrations, then stopped").unwrap_or_else(|| panic!("{shown}"));
        let help = &help[help.find("\n  help").unwrap()..];
        assert_eq!(format!("{message}{help}"), expected);
        let report = error.report().unwrap();
        assert!(report.steps().iter().all(|step| step.outcome == Outcome::NotRun) && report.backup().is_none());
    }
    assert!(!world.has("guests").await && !world.has("whimbrel_history").await);
    assert_eq!(files(folder.path()), ["a_file"]);
    // What failed is in nobody's way.
    world.up(&set).await.unwrap();
}

/// A process on a file system of its own that is too small, which goes with it.
async fn a_full_disk_says_which_folder_and_what_it_would_take(world: World) {
    let folder = TempDir::new().unwrap();
    let (sets, backups) = (folder.path().join("set"), folder.path().join("backups"));
    fs::create_dir_all(&sets).unwrap();
    fs::create_dir_all(&backups).unwrap();
    // Nothing that can be compressed away.
    world.run("CREATE TABLE noise (id INT, text TEXT)").await;
    let mut random = 7_u64;
    for id in 0..10 {
        let text: String = (0..4000)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                format!("{:016x}", random ^ random >> 29)
            })
            .collect();
        world.run(format!("INSERT INTO noise VALUES ({id}, '{text}')")).await;
    }
    fs::write(sets.join("0001_a.sql"), "CREATE TABLE a (id INT);\n").unwrap();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = Command::new("unshare");
    if !is_root {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let text = "mount -t tmpfs -o size=200k tmpfs \"$STARTER_BACKUP_BEFORE_MIGRATION\"; \"$@\"; ended=$?; \
                ls -A \"$STARTER_BACKUP_BEFORE_MIGRATION\"; exit $ended";
    command.args(["--mount", "sh", "-c", text, "sh", env!("CARGO_BIN_EXE_starter"), &world.url()]).arg(&sets);
    command.env("STARTER_BACKUP_BEFORE_MIGRATION", &backups).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).replace(&backups.display().to_string(), "<folder>");
    assert!(said.contains("there is no room in `<folder>` for the backup; nothing was run"), "{said}");
    let written =
        world.choose("\n  the database holds ", " kB were written before it was full, and the database holds ");
    assert!(said.contains(written), "{said}");
    assert!(said.contains("help: make room in `<folder>`, or name another folder; then run it again"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\n", "what is written in part is removed");
    assert!(!output.status.success() && !world.has("a").await);
}

async fn a_run_that_is_killed_at_its_backup_leaves_none_and_the_next_makes_its_own(world: World) {
    let (folder, sets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(sets.path().join("0001_a.sql"), "CREATE TABLE a (id INT);\n").unwrap();
    let mut killed = Command::new(env!("CARGO_BIN_EXE_starter"));
    killed.arg(world.url()).arg(sets.path()).env("STARTER_BACKUP_BEFORE_MIGRATION", folder.path());
    killed.env("STARTER_BACKUP_COMMAND", "echo half > \"$WHIMBREL_BACKUP_FILE\"; exec sleep 5");
    let mut killed = killed.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until(|| files(folder.path()).iter().any(|name| fs::metadata(folder.path().join(name)).unwrap().len() > 0)).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let [part] = &files(folder.path())[..] else { panic!("{:?}", files(folder.path())) };
    assert!(part.ends_with(".part"), "{part}");
    assert!(!world.has("a").await);

    let set = Migrations::from_directory(sets.path()).unwrap();
    let backup = Backup::to_folder(folder.path());
    let report = world.migrator(&set).backup_before_migration(backup).up().await.unwrap();
    let made = Path::new(&report.backup().unwrap().place);
    assert!(fs::metadata(made).unwrap().len() > 100);
    assert_eq!(files(folder.path()).iter().filter(|name| !name.ends_with(".part")).count(), 1);
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_run_that_is_dropped_at_its_backup_leaves_no_part(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let slow = Backup::command("echo half > \"$WHIMBREL_BACKUP_FILE\"; exec sleep 30").in_folder(folder.path());
    let mut migrator = world.migrator(&set).backup_before_migration(slow);
    tokio::select! {
        ended = migrator.up() => panic!("{ended:?}"),
        () = until(|| !files(folder.path()).is_empty()) => {}
    }
    assert_eq!(files(folder.path()).len(), 0);
    // Nobody else is kept waiting, though the migrator is still there.
    let backup = Backup::to_folder(folder.path());
    world.migrator(&set).backup_before_migration(backup).up().await.unwrap();
    assert_eq!(files(folder.path()).len(), 1);
    drop(migrator);
}

async fn a_run_that_is_stopped_at_its_backup_leaves_no_part(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let slow = Backup::command("echo half > \"$WHIMBREL_BACKUP_FILE\"; exec sleep 30").in_folder(folder.path());
    let told = Mutex::new(Vec::new());
    let mut migrator = world.migrator(&set).backup_before_migration(slow).on_progress(|progress| {
        if let Progress::BackingUp { folder, .. } = progress {
            told.lock().unwrap().push(folder.map(Path::to_owned));
        }
    });
    let stopper = migrator.stopper();
    let begun = Instant::now();
    let (ended, ()) = tokio::join!(migrator.up(), async {
        until(|| !files(folder.path()).is_empty()).await;
        stopper.stop();
    });
    let error = ended.unwrap_err();
    assert_eq!((error.kind(), files(folder.path()).len()), (ErrorKind::Stopped, 0), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(25), "it was not waited for");
    assert!(!world.has("guests").await);
    drop(migrator);
    assert_eq!(told.into_inner().unwrap(), [Some(folder.path().to_owned())]);
}

async fn a_server_that_ends_idle_sessions_lets_a_backup_be_made(world: World) {
    let [version] = &world.texts("SHOW server_version_num").await[..] else { panic!("a version") };
    if version.parse::<u32>().unwrap() < 140_000 {
        return;
    }
    world.run(format!("ALTER DATABASE \"{}\" SET idle_session_timeout = '2s'", world.database())).await;
    let backup = Backup::command("sleep 4; echo there");
    let report = world.migrator(&guests()).backup_before_migration(backup).up().await.unwrap();
    assert_eq!(report.backup().unwrap().place, "there");
    assert_eq!(world.details("backed_up").await.len(), 1);
}

async fn a_backup_is_waited_for_no_longer_than_the_patience(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let slow = Backup::command("echo half > \"$WHIMBREL_BACKUP_FILE\"; exec sleep 30").in_folder(folder.path());
    let mut first = world.migrator(&set).backup_before_migration(slow);
    let waits = async {
        until(|| !files(folder.path()).is_empty()).await;
        let second = world.migrator(&set).lock_timeout(Duration::from_millis(300));
        second.backup_before_migration(Backup::to_folder(folder.path())).up().await.unwrap_err()
    };
    let error = tokio::select! {
        ended = first.up() => panic!("{ended:?}"),
        error = waits => error,
    };
    assert_eq!(error.kind(), ErrorKind::Locked);
    let who = world.each("another process, which holds", "pid ", "connection ");
    let message = error.to_string();
    assert!(message.starts_with(&format!("waited 300 ms for {who}")), "{message}");
    assert!(message.ends_with(", which backs up and migrates; nothing was run"), "{message}");
}

async fn a_command_learns_what_it_needs_and_no_password(world: World) {
    let folder = TempDir::new().unwrap();
    let set = world.set([("0001_a.sql", "CREATE TABLE a (id INT PRIMARY KEY);")]);
    let seen = folder.path().join("seen");
    let command = format!("env | grep ^WHIMBREL_ | sort > {}; echo noise; echo 's3://backups/7'; echo", seen.display());
    let report = world.migrator(&set).backup_before_migration(Backup::command(command)).up().await.unwrap();
    let made = report.backup().unwrap();
    assert_eq!((&*made.place, made.bytes), ("s3://backups/7", None));
    let seen = fs::read_to_string(seen).unwrap();
    let names = seen.lines().map(|line| line.split('=').next().unwrap());
    // Not what this very process has.
    let names: Vec<&str> = names.filter(|name| std::env::var_os(name).is_none()).collect();
    let server = ["DATABASE", "DIALECT", "HOST", "PORT", "USER", "VERSION"];
    let wanted: Vec<String> = server
        .iter()
        .filter(|name| {
            !matches!(world, World::Sqlite(..) | World::Scylla(..)) || ["DATABASE", "DIALECT", "VERSION"].contains(name)
        })
        .map(|name| format!("WHIMBREL_{name}"))
        .collect();
    assert_eq!(names, wanted, "{seen}");
    assert!(seen.contains("WHIMBREL_VERSION=0001\n"), "{seen}");
    let database = if world.is_sqlite() { "test.db\n" } else { world.database() };
    assert!(seen.contains(database), "{seen}");
}

async fn a_command_may_be_told_the_password(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let password = url::Url::parse(&world.url()).unwrap().password().unwrap().to_owned();
    let command = "test -n \"$WHIMBREL_PASSWORD\" && echo $WHIMBREL_PASSWORD > \"$WHIMBREL_BACKUP_FILE\"";
    let backup = Backup::command(command).in_folder(folder.path()).with_password();
    let report = world.migrator(&set).backup_before_migration(backup).up().await.unwrap();
    let told = fs::read_to_string(&report.backup().unwrap().place).unwrap();
    assert_eq!(told.trim(), password);
    assert!(!report.to_string().contains(&password));
    // What it says of it when it fails is not repeated.
    let fails = Backup::command("echo no $WHIMBREL_PASSWORD here >&2; exit 1").with_password();
    let error = world.migrator(&set).backup_before_migration(fails).down(Rollback::Steps(1)).await.unwrap_err();
    assert!(error.to_string().ends_with("\n  no *** here"), "{error}");
    // Nor is it where it is taken for the place of the backup.
    let says = Backup::command("echo s3://app:$WHIMBREL_PASSWORD@bucket").with_password();
    let report = world.migrator(&set).backup_before_migration(says).down(Rollback::Steps(1)).await.unwrap();
    assert_eq!(report.backup().unwrap().place, "s3://app:***@bucket");
    assert!(!world.details("backed_up").await.concat().contains(&password));
}

async fn no_password_is_on_a_command_line_or_in_a_message(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let here = folder.path().display().to_string();
    let url = world.url();
    let password = url::Url::parse(&url).unwrap().password().unwrap().to_owned();
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).unwrap();
    // It says all that it was told, and fails.
    let reads = "case \"$1\" in --defaults-file=*) cp -p \"${1#*=}\" $here/options; ls -ld \"$(dirname \"${1#*=}\")\" > $here/folder;; esac";
    let spy = script(
        folder.path(),
        "spy",
        &format!(
            "here={here}\ntr '\\0' ' ' < /proc/$$/cmdline > $here/argv\nenv > $here/env\n{reads}\nenv >&2\ncat $here/options >&2\necho part\nexit 7"
        ),
    );
    let backup = Backup::to_folder(&backups).program(&spy);
    let mut migrator = Migrator::connect(&set, &url).unwrap().backup_before_migration(backup);
    let error = migrator.up().await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.starts_with("the backup failed: `spy` ended with 7; nothing was run\n"), "{shown}");
    assert!(!shown.contains(&password), "{shown}");
    let argv = fs::read_to_string(folder.path().join("argv")).unwrap();
    assert!(
        !argv.contains(&password) && argv.contains(world.each("", "--format=custom", "--single-transaction")),
        "{argv}"
    );
    assert_eq!(files(&backups).len(), 0);
    let env = fs::read_to_string(folder.path().join("env")).unwrap();
    match &world {
        World::Postgres(..) => assert!(env.contains(&format!("PGPASSWORD={password}\n"))),
        _ => {
            // The tests' own variables are none of ours.
            assert!(env.lines().filter(|line| !line.starts_with("TEST_")).all(|line| !line.contains(&password)));
            let options = folder.path().join("options");
            assert!(fs::read_to_string(&options).unwrap().contains(&format!("password=\"{password}\"\n")));
            assert_eq!(fs::metadata(&options).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(fs::read_to_string(folder.path().join("folder")).unwrap().starts_with("drwx------"));
            let gone = argv.split_once("--defaults-file=").unwrap().1.split(' ').next().unwrap();
            assert!(!Path::new(gone).exists() && !Path::new(gone).parent().unwrap().exists(), "{gone} stays");
        }
    }
}

async fn a_program_is_found_or_the_help_says_what_to_install(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let install = world.each(
        "",
        "install PostgreSQL's client programs (`postgresql-client`)",
        "install MariaDB's or MySQL's client programs (`mariadb-client`)",
    );
    let backup = |program: PathBuf| Backup::to_folder(folder.path()).program(program);
    let refused = async |program: PathBuf| {
        let error = world.migrator(&set).backup_before_migration(backup(program)).up().await.unwrap_err();
        (error.to_string(), error.help_text().unwrap().to_owned())
    };
    for wrong in ["/nowhere/at_all", "no_such_dump"] {
        let (message, help) = refused(wrong.into()).await;
        assert_eq!(message, format!("there is no program `{wrong}` to make the backup with; nothing was run"));
        assert_eq!(help, format!("correct `Backup::program`, or {install}"));
    }
    let not_a_program = folder.path().join("text");
    fs::write(&not_a_program, "no program").unwrap();
    let (message, _) = refused(not_a_program.clone()).await;
    let here = folder.path().display();
    assert_eq!(message, format!("the program `{here}/text` cannot be started for the backup; nothing was run"));

    let older = script(
        folder.path(),
        "older_dump",
        "echo 'pg_dump: error: aborting because of server version mismatch' >&2\n\
         echo 'pg_dump: detail: server version: 16.1 (Debian); pg_dump version: 15.3' >&2\nexit 1",
    );
    let (message, help) = refused(older).await;
    assert_eq!(message, "`older_dump` 15.3 cannot dump a server of version 16.1; nothing was run");
    assert!(help.starts_with("install the client programs of the server's version, or name them"), "{help}");
    assert!(!world.has("guests").await);
}

async fn on_a_connection_that_was_passed_in(world: World) {
    let (set, folder) = (guests(), TempDir::new().unwrap());
    let backup = Backup::to_folder(folder.path());
    let url = world.url();
    let result = match &world {
        World::Sqlite(..) => {
            let mut own = SqliteConnection::connect(&url).await.unwrap();
            Migrator::new(&set, &mut own).backup_before_migration(backup).up().await
        }
        World::Postgres(..) => {
            let mut own = PgConnection::connect(&url).await.unwrap();
            Migrator::new(&set, &mut own).backup_before_migration(backup).up().await
        }
        _ => {
            let mut own = MySqlConnection::connect(&url).await.unwrap();
            Migrator::new(&set, &mut own).backup_before_migration(backup).up().await
        }
    };
    if world.is_sqlite() {
        assert!(result.unwrap().backup().is_some());
        return;
    }
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup);
    let message = "a connection that was passed in does not tell the backup where it leads; nothing was run";
    assert_eq!(error.to_string(), message);
}

async fn only_a_command_backs_up_a_cluster(world: World) {
    let (set, folder) = (world.three(), TempDir::new().unwrap());
    let migrator = |backup| world.migrator(&set).backup_before_migration(backup);
    let error = migrator(Backup::to_folder(folder.path())).up().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup);
    let help = "make the backup with `Backup::command`, such as `nodetool snapshot` on every node";
    assert_eq!(error.help_text(), Some(help));
    let report = migrator(Backup::command("echo snapshot 1")).up_to(Target::Steps(1)).await.unwrap();
    assert_eq!(report.backup().unwrap().place, "snapshot 1");
    // The events are made with the history.
    assert_eq!(world.details("backed_up").await.len(), 0);
    migrator(Backup::command("echo snapshot 2")).up().await.unwrap();
    let details = world.details("backed_up").await;
    assert!(details.len() == 1 && details[0].starts_with("snapshot 2 ("), "{details:?}");
}
