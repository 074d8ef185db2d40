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

/// Words of the code that look like a problem's.
const WORDS: [&str; 3] = ["foreign-keys", "lock-timeout", "no-transaction"];
/// A script of 4 GiB is more than a test can have.
const UNTESTED: [&str; 1] = ["too-large"];

#[test]
fn every_check_has_a_case() {
    let mut codes = BTreeSet::new();
    for source in files_of(&below("src")) {
        let text = fs::read_to_string(source).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines().filter(|line| !line.trim().starts_with("//"));
        codes.extend(
            code.flat_map(|line| line.split('"').skip(1).step_by(2)).filter(|word| is_code(word)).map(str::to_owned),
        );
        codes.extend(text.split("Problem::new(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert!(codes.len() > 50, "{codes:?}");
    let tests = files_of(&below("tests/all")).into_iter().chain(files_of(&below("tests/sets")));
    // Not this one, which names what has no case.
    let told =
        tests.filter(|path| !path.ends_with(file!()) && path.extension().is_some_and(|e| e == "rs" || e == "txt"));
    let cases: String = told.map(|path| fs::read_to_string(path).unwrap()).collect();
    codes.retain(|code| !cases.contains(&format!("{code}: ")) && !cases.contains(&format!("\"{code}\"")));
    let known: BTreeSet<_> = WORDS.into_iter().chain(UNTESTED).map(str::to_owned).collect();
    assert_eq!(codes, known, "a code without a case, or a word that is none");
}

/// Small words with `-` between them; of those with one word, `Problem::new` tells.
fn is_code(word: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    word.contains('-') && word.split('-').all(is_part)
}

/// The files of a directory and its folders.
fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = sorted(directory).into_iter();
    entries.flat_map(|entry| if entry.is_dir() { files_of(&entry) } else { vec![entry] }).collect()
}
