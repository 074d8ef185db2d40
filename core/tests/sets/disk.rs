//! What only a file system can do wrong.

use std::fs;
use std::path::PathBuf;

use whimbrel_core::load::{files_below, load, load_unrecorded};
use whimbrel_core::{Migrations, sum};

/// A directory that is gone when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("whimbrel-sets-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, text: &[u8]) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// What is wrong with it, as `migrations`.
    fn told(&self) -> String {
        load(&self.0, "migrations", None).map_or_else(|problems| crate::told(&problems), |_| "nothing".to_owned())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SQL: &[u8] = b"create table a (id int);\n";

#[test]
fn a_missing_directory_and_a_file_in_its_place_are_told() {
    let told = |path: &str| crate::told(&Migrations::from_directory(path).unwrap_err());
    assert_eq!(
        told("no/such"),
        "missing-directory: there is no directory `no/such`\n --> no/such\n\
         help: create it, or name the one that holds the migrations\n"
    );
    assert_eq!(
        told("Cargo.toml"),
        "not-a-directory: `Cargo.toml` is a file, not a directory\n --> Cargo.toml\n\
         help: name the directory that holds the migrations\n"
    );
}

#[test]
fn an_empty_directory_is_told() {
    assert_eq!(
        Directory::new("empty").told(),
        "empty-set: there are no migrations\n --> migrations\n\
         help: write `0001_init.up.sql`, or write `empty = \"allow\"` in whimbrel.toml\n"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_told_with_their_place() {
    let directory = Directory::new("utf8");
    directory.write("0001_a.sql", SQL).write("0002_b.sql", b"select\n'\xE9t\xE9';").write("0003_c.sql", b"\xFF\xFEs\0");
    assert_eq!(
        directory.told(),
        "not-utf8: the file is not UTF-8: byte 8, on line 2, is 0xE9\n --> migrations/0002_b.sql\n\
         help: save it as UTF-8\n\n\
         not-utf8: the file is not UTF-8: byte 0, on line 1, is 0xFF\n --> migrations/0003_c.sql\n\
         help: save it as UTF-8: it looks like UTF-16\n"
    );
}

#[test]
fn a_byte_order_mark_is_not_part_of_any_file() {
    let directory = Directory::new("bom");
    directory.write("0001_a.sql", b"\xEF\xBB\xBFcreate table a (id int);\n");
    directory.write("whimbrel.toml", b"\xEF\xBB\xBFdialect = \"sqlite\"");
    let migrations = Migrations::from_directory(&directory.0).unwrap();
    assert_eq!(migrations.last().unwrap().scripts()[0].text().as_bytes(), SQL);
}

#[test]
fn a_directory_equals_its_files_in_memory() {
    let files: [(&str, &[u8]); 6] = [
        ("0001_a.postgres.up.sql", b"create table a (id serial);\n"),
        ("0001_a.sqlite.up.sql", b"create table a (id integer);\n"),
        ("0002_b.up.sql", b"create table b (id int);\n"),
        ("0002_b.down.sql", b"drop table b;\n"),
        ("README.md", b"\xFF not read"),
        ("whimbrel.toml", b"minimum_supported = \"0002\"\n"),
    ];
    let directory = Directory::new("equal");
    files.iter().for_each(|(path, bytes)| _ = directory.write(path, bytes));
    directory.write(".git/config", b"");
    let loaded = load(&directory.0, "migrations", None).unwrap();
    assert_eq!(loaded.migrations, Migrations::from_files(files).unwrap());
    assert_eq!(
        loaded.files,
        ["0001_a.postgres.up.sql", "0001_a.sqlite.up.sql", "0002_b.down.sql", "0002_b.up.sql", "whimbrel.toml"]
    );
    assert_eq!(loaded.migrations.directory(), "migrations");
    let script = &loaded.migrations.last().unwrap().scripts()[0];
    assert_eq!(loaded.migrations.path_of(script), "migrations/0002_b.up.sql");
}

#[test]
fn what_is_about_to_be_recorded_is_not_compared_with_what_was() {
    let directory = Directory::new("record");
    directory.write("0001_a.sql", SQL).write("whimbrel.toml", b"sum = \"require\"");
    assert!(directory.told().starts_with("sum-required: "));
    let record = |directory: &Directory| {
        let loaded = load_unrecorded(&directory.0, "migrations", None).unwrap();
        directory.write("whimbrel.sum", sum::write(&loaded.migrations).as_bytes());
    };
    record(&directory);
    assert_eq!(directory.told(), "nothing");
    directory.write("0001_a.sql", b"select 1;");
    assert!(directory.told().starts_with("sum-changed: "));
    record(&directory);
    assert_eq!(directory.told(), "nothing");
}

#[test]
fn ignored_files_are_not_even_read() {
    let directory = Directory::new("ignored");
    directory.write("0001_a.sql", SQL).write("seeds/a/b.sql", b"\xFF").write("x.txt", b"");
    directory.write("whimbrel.toml", b"ignore = [\"seeds/**\", \"*.txt\"]");
    assert_eq!(directory.told(), "nothing");
    // What a debug build compares with the disk does not hold them either.
    let loaded = load(&directory.0, "m", None).unwrap();
    assert_eq!(loaded.names, ["0001_a.sql", "whimbrel.toml"]);
    assert_eq!(files_below(&directory.0, &loaded.ignore).unwrap(), loaded.names);
}

#[test]
fn what_whimbrel_reads_itself_cannot_be_ignored() {
    let directory = Directory::new("ignored-known");
    directory.write("0001_a.sql", SQL).write("whimbrel.toml", b"ignore = [\"*.toml\", \"*.sum\", \"x.toml\"]");
    directory.write("x.toml", b"").write("whimbrel.sum", b"none");
    assert!(directory.told().starts_with("sum-format: "), "{}", directory.told());
    let loaded = load_unrecorded(&directory.0, "m", None).unwrap();
    assert_eq!(loaded.files, ["0001_a.sql", "whimbrel.toml"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_are_told() {
    use std::os::unix::fs::symlink;
    let directory = Directory::new("links");
    directory.write("elsewhere/0001_a.sql", SQL).write("set/README", b"");
    symlink("../elsewhere/0001_a.sql", directory.0.join("set/0001_a.sql")).unwrap();
    assert_eq!(Migrations::from_directory(directory.0.join("set")).unwrap().len(), 1);

    symlink("..", directory.0.join("set/again")).unwrap();
    symlink("nowhere", directory.0.join("set/0002_b.sql")).unwrap();
    symlink("itself.sql", directory.0.join("set/itself.sql")).unwrap();
    let told = load(&directory.0.join("set"), "set", None).unwrap_err();
    let told = crate::told(&told);
    for part in [
        "broken-link: the link cannot be followed: nothing is there\n --> set/0002_b.sql\nhelp: delete the link, or mend it\n",
        "symlink-loop: the link leads to a directory that it lies in\n --> set/again/set\nhelp: delete the link\n",
        "broken-link: the link cannot be followed: ",
        " --> set/itself.sql\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_no_message_can_print_are_told() {
    use std::os::unix::ffi::OsStrExt;
    let directory = Directory::new("odd");
    let name = std::ffi::OsStr::from_bytes(b"0001_\xE9.sql");
    fs::write(directory.0.join(name), SQL).unwrap();
    directory.write("0002_a\nb.sql", SQL);
    assert_eq!(
        directory.told(),
        "file-name: the name of `0002_a\\nb.sql` has a control character\n --> migrations\n\
         help: rename it with letters, digits, `_`, `-` and `.`\n\n\
         file-name: the name of `0001_\u{FFFD}.sql` is not UTF-8\n --> migrations/0001_\u{FFFD}.sql\n\
         help: rename it with letters, digits, `_`, `-` and `.`\n"
    );
}

#[cfg(unix)]
#[test]
fn a_socket_is_told_and_so_is_what_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("unreadable");
    let _socket = std::os::unix::net::UnixListener::bind(directory.0.join("0001_a.sql")).unwrap();
    directory.write("0002_b.sql", SQL);
    fs::set_permissions(directory.0.join("0002_b.sql"), fs::Permissions::from_mode(0o0)).unwrap();
    let told = directory.told();
    let socket = "unreadable: this is no file and no directory\n --> migrations/0001_a.sql\nhelp: move it out\n";
    assert!(told.starts_with(socket), "{told}");
    // Root reads everything.
    if fs::read(directory.0.join("0002_b.sql")).is_err() {
        let file =
            "unreadable: this may not be read\n --> migrations/0002_b.sql\nhelp: allow whoever builds to read it\n";
        assert!(told.contains(file), "{told}");
    }
}

#[test]
fn paths_in_memory_stay_within_the_set() {
    let told = |paths: &[&str]| crate::told(&crate::named(paths).unwrap_err());
    let outside = "file-name: `../0001_a.sql` leads out of the directory\n\
                   help: give paths relative to the directory of the migrations\n";
    assert!(told(&["../0001_a.sql"]).starts_with(outside));
    assert_eq!(
        told(&["0001_a.sql", "./0001_a.sql"]),
        "file-name: `0001_a.sql` is given twice\nhelp: give each path once\n"
    );
}

#[test]
fn a_thousand_files_are_loaded_in_no_time() {
    let files: Vec<(String, Vec<u8>)> = (1..=500)
        .flat_map(|version| {
            let file = |direction: &str| (format!("{version:04}_table.{direction}.sql"), SQL.repeat(10));
            [file("up"), file("down")]
        })
        .collect();
    let start = std::time::Instant::now();
    assert_eq!(Migrations::from_files(files).unwrap().len(), 500);
    let elapsed = start.elapsed();
    // Some 60 ms unoptimized; what is quadratic takes seconds.
    assert!(elapsed.as_millis() < 1_500, "{elapsed:?}");
}
