//! One mistake, one fixture: `bad/<case>/migrations` and `bad/<case>/expected.txt`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use whimbrel_core::load::load;

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn each_mistake_is_told_in_the_expected_words() {
    let mut wrong = Vec::new();
    for case in sorted(&below("tests/sets/bad")) {
        let told = match load(&case.join("migrations"), "migrations", None) {
            Ok(_) => "nothing\n".to_owned(),
            Err(problems) => crate::told(&problems),
        };
        let expected = case.join("expected.txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, told).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("{}\n{told}", case.file_name().unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected (UPDATE_EXPECTED=1 accepts):\n\n{}", wrong.join("\n"));
}

/// The files that make problems about files; those of what stands in a script have their own test.
const SOURCES: [&str; 13] = [
    "listing.rs",
    "load.rs",
    "sources.rs",
    "config.rs",
    "settings.rs",
    "versions.rs",
    "variants.rs",
    "text.rs",
    "set.rs",
    "sum.rs",
    "layout/mod.rs",
    "layout/numbered.rs",
    "layout/folders.rs",
];

#[test]
fn every_check_has_a_case() {
    let mut codes = BTreeSet::new();
    for source in SOURCES {
        let text = fs::read_to_string(below("src").join(source)).unwrap();
        for start in ["Problem::new(\"", "problem(\"", "problem(\n            \""] {
            codes.extend(text.split(start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    let mut cases = String::new();
    for path in sorted(&below("tests/sets")).into_iter().filter(|path| path.is_file()) {
        cases.push_str(&fs::read_to_string(path).unwrap());
    }
    for case in sorted(&below("tests/sets/bad")) {
        cases.push_str(&fs::read_to_string(case.join("expected.txt")).unwrap());
    }
    codes.retain(|code| !cases.contains(&format!("{code}: ")) && !cases.contains(&format!("\"{code}\"")));
    assert!(codes.is_empty(), "no case for {codes:?}");
}
