//! Each error has a page, and each page an error.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::shop::Shop;
use crate::transcript::carried_out;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(package().join("errors")).unwrap().map(|page| page.unwrap().path()).collect();
    pages.sort();
    pages
}

#[test]
fn what_a_page_shows_is_what_the_command_prints() {
    for page in pages() {
        carried_out(&page);
    }
}

/// The codes that the sources of the core name, and the kinds of errors of the runtime.
#[test]
fn each_code_has_a_page_and_each_page_a_code() {
    let mut codes = BTreeSet::new();
    let mut folders = vec![package().join("../core/src")];
    // A word in quotes where a code is given: `Problem::new("gap", …)`, `wrong(range, "bad-value", …)`, `code: "…"`,
    // a `const CODE`, and the first of the three that are said of a fault.
    let given = r#"(?:Problem::new\(|problem\(|wrong_file\(|wrong\([^;{]*?,|warn\([^;{]*?,|code: |const CODE: &str = |=> \()\s*"([a-z]+(?:-[a-z0-9]+)*)"\s*[,;)]"#;
    let given = Regex::new(&format!("(?s){given}")).unwrap();
    let listed = Regex::new(r#"\n\s+\(\s*"([a-z]+(?:-[a-z]+)+)",\s*(?:"|format!)"#).unwrap();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code: String =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            codes.extend(listed.captures_iter(&code).map(|found| found[1].to_owned()));
            codes.extend(given.captures_iter(&code).map(|found| found[1].to_owned()));
        }
    }
    let errors = fs::read_to_string(package().join("../runtime/src/error.rs")).unwrap();
    let kind = Regex::new(r#"Self::\w+ => "([a-z_]+)","#).unwrap();
    codes.extend(kind.captures_iter(&errors).map(|found| found[1].to_owned()));
    let sentences = fs::read_to_string(package().join("src/failure.rs")).unwrap();
    let kind = Regex::new(r#"\(Told::\w+\(_\), [\w:]+\) => "([a-z_]+)","#).unwrap();
    codes.extend(kind.captures_iter(&sentences).map(|found| found[1].to_owned()));

    let shop = Shop::without_database(&[]);
    let listed = shop.done(&["explain"]);
    let listed: BTreeSet<String> =
        listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    let named: BTreeSet<String> =
        pages().iter().map(|page| page.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(listed, named, "cli/src/explanation.rs lists the pages of cli/errors");
    let without: Vec<_> = codes.difference(&named).collect();
    let left_over: Vec<_> = named.difference(&codes).collect();
    assert!(without.is_empty() && left_over.is_empty(), "without a page: {without:?}; without a code: {left_over:?}");
}

#[test]
fn a_page_says_its_code_what_it_means_why_and_what_to_do() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let code = page.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with(&format!("# {code}: ")), "{code}");
        assert!(text.contains("\n**Why.** ") && text.contains("\n**What to do.** "), "{code}");
        let lines = text.lines().count();
        assert!((8..=60).contains(&lines), "{code}: {lines} lines");
    }
}

#[test]
fn an_error_is_explained_by_its_code() {
    let shop = Shop::without_database(&[]);
    shop.shown("explain", &["explain", "duplicate-version"]);
    shop.shown("explain_all", &["explain"]);
    shop.shown("explain_unknown", &["explain", "duplicate-versoin"]);
    shop.shown("explain_nothing_near", &["explain", "E0308"]);
    for pasted in ["in_doubt", "in-doubt", "error[in_doubt]:"] {
        assert!(shop.done(&["explain", pasted]).starts_with("in_doubt: "), "{pasted}");
    }
}
