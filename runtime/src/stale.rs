//! A debug build that is older than its migration files refuses to run.
//!
//! cargo sees an edited, removed or renamed file, but not an added one (measured on stable 1.95), so a debug build
//! compares the names on disk with those that it embeds, once a process for each set. Release builds know no path of
//! the machine that built them, and compare nothing.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use whimbrel_core::Migrations;
use whimbrel_core::load::files_below;

use crate::error::{Error, ErrorKind, Result};
use crate::report::count;

static FRESH: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

/// # Errors
/// Files were added since this build, with what to do now.
pub(crate) fn refuse_stale(set: &Migrations) -> Result<()> {
    let Some(source) = set.__source() else { return Ok(()) };
    let Ok(mut fresh) = FRESH.lock() else { return Ok(()) };
    if fresh.contains(source.directory) {
        return Ok(());
    }
    // A binary that was copied to another machine has no directory to compare with.
    let Ok(found) = files_below(Path::new(source.directory), source.ignore) else { return Ok(()) };
    let embedded: BTreeSet<&str> = source.files.lines().collect();
    let added: Vec<&str> = found.iter().map(String::as_str).filter(|file| !embedded.contains(file)).collect();
    if added.is_empty() {
        fresh.insert(source.directory);
        return Ok(());
    }
    let is = if added.len() == 1 { "is" } else { "are" };
    let message = format!("{} {is} newer than this build; nothing was run", count(added.len(), "migration file"));
    let lines: Vec<String> = added.iter().map(|file| format!("  {}/{file}", set.directory())).collect();
    let help = format!(
        "`touch {}` now, and for the next time add this build.rs: \
         `fn main() {{ println!(\"cargo::rerun-if-changed={}\") }}`",
        source.caller,
        set.directory()
    );
    Err(Error::new(ErrorKind::Stale, message).details(lines.join("\n")).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__private::{Embedded, Source};

    #[test]
    fn a_file_that_is_newer_than_the_build_is_named_with_the_way_out() {
        let folder = std::env::temp_dir().join(format!("whimbrel-stale-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0001_init.sql"), "select 1;").unwrap();
        std::fs::write(folder.join("0002_late.sql"), "select 2;").unwrap();
        std::fs::create_dir_all(folder.join("seeds")).unwrap();
        std::fs::write(folder.join("seeds/x.sql"), "select 3;").unwrap();
        let directory: &'static str = folder.to_str().unwrap().to_owned().leak();
        static EMBEDDED: Embedded = Embedded::new("", &[]);
        let built = |files| {
            let source = Some(Source { directory, caller: "src/main.rs", files, ignore: &["seeds/**"] });
            Migrations::__embedded(&EMBEDDED, 0, None, "migrations", None, source)
        };
        let error = refuse_stale(&built("0001_init.sql")).unwrap_err();
        assert_eq!(
            format!("{error:?}"),
            "1 migration file is newer than this build; nothing was run\n\
             \u{20} migrations/0002_late.sql\n\
             \u{20} help: `touch src/main.rs` now, and for the next time add this build.rs: \
             `fn main() { println!(\"cargo::rerun-if-changed=migrations\") }`"
        );
        assert!(refuse_stale(&built("0001_init.sql\n0002_late.sql")).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
