//! The splitter agrees with the databases' own.

use std::ops::Range;
use std::path::{Path, PathBuf};

use whimbrel_core::Dialect;
use whimbrel_core::split::split;
use whimbrel_tests::{corpora, oracle};

#[test]
fn sqlite_agrees_on_the_scripts_of_others() {
    for name in ["chirpstack-sqlite", "ncps-0.9.4-sqlite"] {
        let Some(directory) = corpora::directory(name) else { continue };
        agree_with_sqlite(&corpora::scripts(&directory));
    }
}

#[test]
fn sqlite_agrees_on_our_own_scripts() {
    agree_with_sqlite(&ours("sqlite"));
}

#[test]
fn psql_agrees_on_the_scripts_of_others() {
    for name in ["chirpstack-postgres", "docsrs-postgres", "marquez-postgres", "ncps-0.9.4-postgres"] {
        let Some(directory) = corpora::directory(name) else { continue };
        agree_with_psql(&corpora::scripts(&directory));
    }
}

#[test]
fn psql_agrees_on_our_own_scripts() {
    agree_with_psql(&ours("postgres"));
}

fn agree_with_sqlite(scripts: &[(PathBuf, String)]) {
    let texts: Vec<&str> = scripts.iter().map(|(_, text)| text.as_str()).collect();
    for ((path, text), pieces) in scripts.iter().zip(oracle::sqlite::split(&texts)) {
        agree(path, text, Dialect::Sqlite, &pieces);
    }
}

fn agree_with_psql(scripts: &[(PathBuf, String)]) {
    for (path, text) in scripts {
        agree(path, text, Dialect::Postgres, &oracle::postgres::split(text));
    }
}

/// Each piece holds one statement, and beside it only comments, white space and the `;`.
fn agree(path: &Path, text: &str, dialect: Dialect, pieces: &[Range<usize>]) {
    let statements: Vec<_> = split(text, dialect).iter().map(|statement| statement.range()).collect();
    let holds = |piece: &Range<usize>, statement: &Range<usize>| {
        piece.start <= statement.start
            && statement.end <= piece.end
            && oracle::is_blank(&text[piece.start..statement.start])
            && oracle::is_blank(&text[statement.end..piece.end])
    };
    for (piece, statement) in pieces.iter().zip(&statements) {
        assert!(
            holds(piece, statement),
            "{}:\nthe database's own:\n{}\nours:\n{}",
            path.display(),
            &text[piece.clone()],
            &text[statement.clone()]
        );
    }
    assert_eq!(statements.len(), pieces.len(), "{}", path.display());
}

/// The demonstration set and core's goldens, as far as they are of the dialect.
fn ours(dialect: &str) -> Vec<(PathBuf, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut scripts = corpora::scripts(&workspace.join("migrations"));
    scripts.retain(|(path, _)| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        name.split_once('.').is_none_or(|(_, suffix)| suffix == dialect)
    });
    assert!(scripts.len() > 25, "the demonstration set has {} scripts", scripts.len());
    let goldens = workspace.join("core/tests/golden").join(dialect);
    if goldens.is_dir() {
        scripts.extend(corpora::scripts(&goldens));
    }
    scripts
}

#[test]
fn a_piece_without_a_statement_is_blank() {
    for blank in ["", " \n;", "-- a", "/* ; */ ;\n-- b\n"] {
        assert!(oracle::is_blank(blank), "{blank:?}");
    }
    assert!(!oracle::is_blank("-- a\nb"));
    assert!(!oracle::is_blank("/* a */ 'b'"));
}

#[test]
fn sqlite_keeps_a_trigger_whole() {
    let script =
        "-- ä;\nCREATE TABLE a (b);\nCREATE TRIGGER c AFTER INSERT ON a BEGIN SELECT ';'; SELECT 2; END;\n;SELECT 1";
    let pieces: Vec<_> =
        oracle::sqlite::split(&[script]).remove(0).into_iter().map(|piece| script[piece].trim()).collect();
    let trigger = "CREATE TRIGGER c AFTER INSERT ON a BEGIN SELECT ';'; SELECT 2; END;";
    assert_eq!(pieces, ["-- ä;\nCREATE TABLE a (b);", trigger, "SELECT 1"]);
}

#[test]
fn psql_keeps_quotes_and_bodies_whole() {
    let script = "SELECT $a$;$a$; -- x ;\n CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;\n/* ; */ SELECT 1";
    let pieces: Vec<_> = oracle::postgres::split(script).into_iter().map(|piece| script[piece].trim()).collect();
    let function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;";
    assert_eq!(pieces.len(), 3, "{pieces:#?}");
    assert!(pieces[1].ends_with(function), "{pieces:#?}");
}
