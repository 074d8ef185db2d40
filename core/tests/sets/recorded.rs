//! The sum file: what is changed, removed, inserted or merged is named exactly.

use whimbrel_core::{Migrations, sum};

const A: (&str, &str) = ("0001_a.sql", "create table a (id int);\n");
const B: (&str, &str) = ("0002_b.up.sql", "create table b (id int);\n");
const B_DOWN: (&str, &str) = ("0002_b.down.sql", "drop table b;\n");
const C: (&str, &str) = ("0003_c.sql", "create table c (id int);\n");
const D: (&str, &str) = ("0004_d.sql", "create table d (id int);\n");
const ALL: [(&str, &str); 5] = [A, B, B_DOWN, C, D];
/// Versions may be inserted and removed.
const CONFIG: (&str, &str) = ("whimbrel.toml", "gaps = \"allow\"\n");

fn recorded(files: &[(&str, &str)]) -> String {
    sum::write(&crate::set(&[files, &[CONFIG]].concat()).unwrap())
}

/// What is wrong with the files under the sum file, without the places.
fn told(files: &[(&str, &str)], sum: &str) -> Vec<String> {
    let result = crate::set(&[files, &[CONFIG, ("whimbrel.sum", sum)]].concat());
    let problems = result.err().into_iter().flatten();
    problems.map(|problem| format!("{}: {}", problem.code(), problem.message())).collect()
}

fn replaced(from: (&str, &str), to: (&'static str, &'static str)) -> Vec<(&'static str, &'static str)> {
    ALL.into_iter().map(|file| if file == from { to } else { file }).collect()
}

fn without(gone: &[(&str, &str)]) -> Vec<(&'static str, &'static str)> {
    ALL.into_iter().filter(|file| !gone.contains(file)).collect()
}

#[test]
fn the_file_names_each_migration_after_a_chained_digest() {
    let text = recorded(&ALL);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let last = lines[4][1];
    assert_eq!(lines[0], ["whimbrel-sum", "1", last]);
    let named: Vec<(&str, &str)> = lines[1..].iter().map(|line| (line[0], line[2])).collect();
    assert_eq!(named, [("0001", A.0), ("0002", B.0), ("0003", C.0), ("0004", D.0)]);
    assert!(text.ends_with('\n') && last.len() == 64);
}

#[test]
fn what_is_recorded_is_accepted_whatever_its_comments_and_line_ends() {
    let text = recorded(&ALL);
    assert_eq!(told(&ALL, &text), [""; 0]);
    assert_eq!(told(&ALL, &text.replace('\n', "\r\n")), [""; 0]);
    let commented = replaced(B, (B.0, "-- a licence\r\ncreate  table b (id int); -- b\r\n"));
    assert_eq!(told(&commented, &text), [""; 0]);
    let unrelated = [&ALL[..], &[("0002_b.verify.sql", "select 1;\n"), ("README", "")]].concat();
    assert_eq!(told(&unrelated, &text), [""; 0]);
}

#[test]
fn an_edit_is_named_and_nothing_else() {
    let text = recorded(&ALL);
    let edited = ["sum-changed: `0002_b.up.sql` was edited after it was recorded"];
    assert_eq!(told(&replaced(B, (B.0, "create table b (id bigint);\n")), &text), edited);
    assert_eq!(told(&replaced(B_DOWN, (B_DOWN.0, "drop table if exists b;\n")), &text), edited);
    assert_eq!(told(&without(&[B_DOWN]), &text), edited);
    let two = replaced(A, (A.0, "create table a (id bigint);\n"));
    let two: Vec<_> = two.into_iter().map(|file| if file == D { (D.0, "select 1;") } else { file }).collect();
    let both =
        ["0001_a.sql", "0004_d.sql"].map(|path| format!("sum-changed: `{path}` was edited after it was recorded"));
    assert_eq!(told(&two, &text), both);
}

#[test]
fn an_edit_for_one_dialect_is_seen() {
    let variants = |postgres| [("1.sqlite.sql", "select 1;"), ("1.postgres.sql", postgres)];
    let text = recorded(&variants("select 2;"));
    assert_eq!(told(&variants("select 2;"), &text), [""; 0]);
    assert_eq!(told(&variants("select 3;"), &text).len(), 1);
}

/// Each is read otherwise by one of the dialects.
const READ_OTHERWISE: [&str; 5] = [
    "create table a (tags text[] default array['a', 'b']);\n",
    "select $$a  b$$;\n",
    "select array[1, -- x\n 2];\n",
    "select 1 # 2\n;\n",
    "insert into \"a\" values ('it''s', 1.5e3); -- x\n",
];

#[test]
fn who_says_a_dialect_has_edited_nothing() {
    let configs = ["sqlite", "postgres", "mysql"].map(|dialect| format!("dialect = \"{dialect}\""));
    for text in READ_OTHERWISE {
        let under = |config: &str| sum::write(&crate::set(&[("1.sql", text), ("whimbrel.toml", config)]).unwrap());
        let [sqlite, others @ ..] = configs.each_ref().map(|config| under(config));
        assert!(others.iter().all(|other| *other == sqlite), "{text}");
        let renamed = told(&[("1.postgres.sql", text)], &sqlite);
        assert_eq!(renamed, ["sum-moved: `1.postgres.sql` is recorded as `1.sql`"], "{text}");
    }
}

#[test]
fn an_edit_that_only_one_dialect_can_tell_is_seen() {
    for (before, after) in [("select $$a  b$$;", "select $$a b$$;"), ("select [a  b];", "select [a b];")] {
        let under = |text| [("1.sql", text), ("whimbrel.toml", "dialect = \"mysql\"")];
        let text = sum::write(&crate::set(&under(before)).unwrap());
        assert_eq!(told(&[("1.sql", after)], &text), ["sum-changed: `1.sql` was edited after it was recorded"]);
    }
}

#[test]
fn scripts_that_change_places_between_dialects_are_seen() {
    let text = recorded(&[("1.sqlite.sql", "select 1;"), ("1.postgres.sql", "select 2;")]);
    assert_eq!(told(&[("1.sqlite.sql", "select 2;"), ("1.postgres.sql", "select 1;")], &text).len(), 1);
}

#[test]
fn a_removal_is_named_and_nothing_else() {
    let text = recorded(&ALL);
    for (gone, path) in [(&[A][..], A.0), (&[B, B_DOWN], B.0), (&[D], D.0)] {
        assert_eq!(told(&without(gone), &text), [format!("sum-missing: `{path}` is recorded, but it is gone")]);
    }
}

#[test]
fn an_insertion_is_named_and_nothing_else() {
    let text = recorded(&without(&[B, B_DOWN]));
    let inserted = ["sum-unrecorded: `0002_b.up.sql` is not recorded, but 0004, which comes after it, is"];
    assert_eq!(told(&ALL, &text), inserted);
    assert_eq!(told(&ALL, &recorded(&without(&[D]))), ["sum-unrecorded: `0004_d.sql` is not recorded"]);
}

#[test]
fn a_line_deleted_by_hand_is_an_unrecorded_migration() {
    let text = recorded(&ALL);
    let deleted: String =
        text.lines().filter(|line| !line.starts_with("0002")).map(|line| format!("{line}\n")).collect();
    assert_eq!(
        told(&ALL, &deleted),
        ["sum-unrecorded: `0002_b.up.sql` is not recorded, but 0004, which comes after it, is"]
    );
}

#[test]
fn lines_of_two_branches_are_not_taken_for_edits() {
    let (ours, theirs) = (recorded(&without(&[D])), recorded(&without(&[C])));
    let merged = format!("{ours}{}\n", theirs.lines().last().unwrap());
    assert_eq!(told(&ALL, &merged), ["sum-order: 0004 was recorded before 0003 was"]);
    let other_way = format!("{theirs}{}\n", ours.lines().last().unwrap());
    assert_eq!(
        told(&ALL, &other_way),
        ["sum-order: 0003 is recorded after 0004", "sum-order: 0003 was recorded before 0004 was"]
    );
}

#[test]
fn two_branches_conflict_on_the_first_line() {
    let (ours, theirs) = (recorded(&without(&[D])), recorded(&without(&[C])));
    assert_ne!(ours.lines().next(), theirs.lines().next());
    let text = recorded(&ALL);
    let other_head = text.replacen(text.lines().next().unwrap(), ours.lines().next().unwrap(), 1);
    assert_eq!(told(&ALL, &other_head), ["sum-order: the first line does not repeat the digest of the last"]);
}

#[test]
fn a_new_name_is_told_with_the_old_one() {
    let renamed = replaced(C, ("0003_sea.sql", C.1));
    assert_eq!(told(&renamed, &recorded(&ALL)), ["sum-moved: `0003_sea.sql` is recorded as `0003_c.sql`"]);
}

#[test]
fn a_problem_stands_at_its_line_and_says_what_to_do() {
    let text = recorded(&[A, C]);
    let problems = crate::set(&[A, ("0003_c.sql", "select 1;"), CONFIG, ("whimbrel.sum", &text)]).unwrap_err();
    let line = text.lines().last().unwrap();
    assert_eq!(
        crate::told(&problems),
        format!(
            "sum-changed: `0003_c.sql` was edited after it was recorded\n --> whimbrel.sum:3:1\n  |\n3 | {line}\n  | ^^^^\n  |\n\
             help: restore it and write a new migration, or, when no database has run it, run `whimbrel sum`\n"
        )
    );
}

#[test]
fn a_file_that_is_wrong_is_not_also_missing() {
    let text = recorded(&ALL);
    let broken = replaced(B, (B.0, "select 'x;\n"));
    let codes: Vec<String> =
        told(&broken, &text).iter().map(|told| told.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(codes, ["unterminated-string"]);
    let misnamed = replaced(C, ("3-c.sql", C.1));
    assert_eq!(told(&misnamed, &text), ["misnamed: `3-c.sql` does not begin with a version and `_`"]);
}

#[test]
fn the_sum_of_a_set_says_what_it_said_last_year() {
    let text = sum::write(&Migrations::from_files([("7_x.sql", b"select 1;")]).unwrap());
    // What this line says stands in the repositories of users.
    let digest = "633f3467b8a91dc97a2169d6bddc4a472c79150b4747951fb59d288bbb53b0b4";
    assert_eq!(text, format!("whimbrel-sum 1 {digest}\n7 {digest} 7_x.sql\n"));
}
