//! The splitter agrees with the databases' own.

use whimbrel_tests::oracle;

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
