//! The splitter agrees with the databases' own.

use std::ops::Range;
use std::path::{Path, PathBuf};

use whimbrel_core::read::read_stored;
use whimbrel_core::split::split;
use whimbrel_core::{Dialect, Direction};
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
    agree_with_sqlite(&ours(Dialect::Sqlite));
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
    agree_with_psql(&ours(Dialect::Postgres));
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
            && oracle::is_blank(&text[piece.start..statement.start], dialect)
            && oracle::is_blank(&text[statement.end..piece.end], dialect)
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

/// Goldens that the database's own splitter reads otherwise than the database itself does.
const OTHERWISE: [(Dialect, &str); 4] = [
    // psql reads line by line, so that it does not see that the second line continues an escape string.
    (Dialect::Postgres, "07_escape_string.sql"),
    // And it does not send the comments on which such a string goes on.
    (Dialect::Postgres, "33_escape_string_goes_on.sql"),
    // psql takes a column called `end` for the end of the body, and a function called `begin` for its beginning.
    (Dialect::Postgres, "12_atomic_body.sql"),
    (Dialect::Postgres, "14_begin_that_is_no_body.sql"),
];

/// The demonstration set, and core's goldens as far as they have no problem.
fn ours(dialect: Dialect) -> Vec<(PathBuf, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut scripts = corpora::scripts(&workspace.join("migrations"));
    scripts.retain(|(path, _)| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        name.split_once('.').is_none_or(|(_, suffix)| suffix == dialect.name())
    });
    assert!(scripts.len() > 25, "the demonstration set has {} scripts", scripts.len());
    let mut goldens = corpora::scripts(&workspace.join("core/tests/golden").join(dialect.name()));
    goldens.retain(|(path, text)| {
        let read = read_stored(Direction::Up, dialect, "golden.sql", text.clone());
        read.is_ok() && !OTHERWISE.iter().any(|(of, name)| *of == dialect && path.ends_with(name))
    });
    assert!(goldens.len() >= 15, "core has {} goldens for {dialect} without a problem", goldens.len());
    scripts.extend(goldens);
    scripts
}

#[test]
fn a_piece_without_a_statement_is_blank() {
    for blank in ["", " \n;", "-- a", "/* ; */ ;\n-- b\n", "/* a"] {
        assert!(oracle::is_blank(blank, Dialect::Sqlite), "{blank:?}");
    }
    for statement in ["-- a\nb", "/* a */ 'b'"] {
        assert!(!oracle::is_blank(statement, Dialect::Sqlite), "{statement:?}");
    }
    assert!(oracle::is_blank("/* /* */ ä */", Dialect::Postgres));
    assert!(!oracle::is_blank("/* /* */ ä */", Dialect::Sqlite));
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
