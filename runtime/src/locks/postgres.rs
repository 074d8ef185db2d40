//! PostgreSQL, by its manual: 13.3.1 (table-level locks), and the page of each command. `MODES` is the list of 13.3.1.

use crate::doubt::fit;
use crate::locks::words::{first, has, is, items, place, referenced};
use crate::locks::{Blocks, HowLong, Lock};

use HowLong::{Brief, Rewrite, Rows, Scan, Unknown};

const ACCESS_EXCLUSIVE: &str = "ACCESS EXCLUSIVE";
const EXCLUSIVE: &str = "EXCLUSIVE";
const SHARE_ROW_EXCLUSIVE: &str = "SHARE ROW EXCLUSIVE";
const SHARE: &str = "SHARE";
const SHARE_UPDATE_EXCLUSIVE: &str = "SHARE UPDATE EXCLUSIVE";
const ROW_EXCLUSIVE: &str = "ROW EXCLUSIVE";
const UNKNOWN: &str = "unknown locks";

/// Whom a mode makes wait (13.3.1, table 13.2): SELECT takes ACCESS SHARE, whoever writes ROW EXCLUSIVE.
const MODES: [(&str, Blocks); 7] = [
    (ACCESS_EXCLUSIVE, Blocks::Everything),
    (EXCLUSIVE, Blocks::Writes),
    (SHARE_ROW_EXCLUSIVE, Blocks::Writes),
    (SHARE, Blocks::Writes),
    (SHARE_UPDATE_EXCLUSIVE, Blocks::Changes),
    (ROW_EXCLUSIVE, Blocks::Changes),
    (UNKNOWN, Blocks::Unknown),
];

type Held = (&'static str, HowLong);

/// Statements by their first words: the mode, and how long it is needed, for each table that the shape names. The first
/// that fits counts; `""` locks no table.
const STATEMENTS: &[(&str, Held)] = &[
    ("create ?unique index concurrently if not exists * on ?only *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("create ?unique index concurrently on ?only *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("create ?unique index concurrently * on ?only *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("create ?unique index if not exists * on ?only *", (SHARE, Scan)),
    ("create ?unique index on ?only *", (SHARE, Scan)),
    ("create ?unique index * on ?only *", (SHARE, Scan)),
    // Its table is not named.
    ("drop index concurrently", (SHARE_UPDATE_EXCLUSIVE, Unknown)),
    ("drop index", (ACCESS_EXCLUSIVE, Brief)),
    ("alter index ?if ?exists * rename", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("alter index ?if ?exists *", (ACCESS_EXCLUSIVE, Brief)),
    ("reindex ?() table concurrently *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("reindex table *", (SHARE, Scan)),
    ("reindex index concurrently", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("reindex index", (SHARE, Scan)),
    ("reindex", (UNKNOWN, Unknown)),
    ("create ?or ?replace ?constraint trigger", (SHARE_ROW_EXCLUSIVE, Brief)),
    ("drop trigger ?if ?exists * on *", (ACCESS_EXCLUSIVE, Brief)),
    ("create ?or ?replace rule", (ACCESS_EXCLUSIVE, Brief)),
    ("create policy * on *", (ACCESS_EXCLUSIVE, Brief)),
    ("alter policy * on *", (ACCESS_EXCLUSIVE, Brief)),
    ("drop policy ?if ?exists * on *", (ACCESS_EXCLUSIVE, Brief)),
    ("create statistics", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("comment on table|view|index *", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("comment on column *", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("comment", ("", Brief)),
    ("refresh materialized view concurrently *", (EXCLUSIVE, Scan)),
    ("refresh materialized view *", (ACCESS_EXCLUSIVE, Rewrite)),
    ("create or replace view *", (ACCESS_EXCLUSIVE, Brief)),
    ("alter view|materialized", (ACCESS_EXCLUSIVE, Brief)),
    ("vacuum full ?verbose ?analyze *", (ACCESS_EXCLUSIVE, Rewrite)),
    ("vacuum ?verbose ?analyze *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("vacuum", (SHARE_UPDATE_EXCLUSIVE, Unknown)),
    ("analyze ?verbose *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("analyze", (SHARE_UPDATE_EXCLUSIVE, Unknown)),
    ("cluster ?verbose *", (ACCESS_EXCLUSIVE, Rewrite)),
    ("insert into *", (ROW_EXCLUSIVE, Rows)),
    ("update ?only *", (ROW_EXCLUSIVE, Rows)),
    ("delete from ?only *", (ROW_EXCLUSIVE, Rows)),
    ("merge into ?only *", (ROW_EXCLUSIVE, Rows)),
    ("copy *", (ROW_EXCLUSIVE, Rows)),
    // A body may do anything.
    ("do", (UNKNOWN, Unknown)),
    ("call", (UNKNOWN, Unknown)),
    ("execute", (UNKNOWN, Unknown)),
    // Rows of its own alone.
    ("create|drop|alter|grant|revoke", ("", Brief)),
];

/// Whose names are in a list.
const LISTS: &[(&str, Held)] = &[
    ("drop table|view|materialized ?view ?if ?exists", (ACCESS_EXCLUSIVE, Brief)),
    ("truncate ?table ?only", (ACCESS_EXCLUSIVE, Brief)),
];

/// Words behind a name, at the end of a list.
const ENDINGS: [&str; 4] = ["cascade", "restrict", "restart", "continue"];

pub(crate) fn locks(words: &[&str]) -> Vec<Lock> {
    if is(words.first(), "create") && (is(words.get(1), "table") || is(words.get(2), "table")) {
        return create_table(words);
    }
    if let Some((mut names, changes)) =
        fit(words, "alter ?foreign table ?if ?exists ?only *").map(|(names, at)| (names, &words[at..]))
    {
        let table = names.remove(0);
        return alter_table(&table, changes);
    }
    if let Some((_, rest, held)) = first(words, LISTS) {
        let names = items(rest).into_iter().filter_map(|item| fit(item, "?only *")?.0.into_iter().next());
        return names
            .filter(|name| !ENDINGS.contains(&&*name.to_ascii_lowercase()))
            .map(|name| lock(*held, Some(name)))
            .collect();
    }
    match words.first() {
        Some(word) if word.eq_ignore_ascii_case("lock") => return lock_table(words),
        Some(word) if word.eq_ignore_ascii_case("with") => return with(words),
        _ => {}
    }
    let Some((names, rest, held)) = first(words, STATEMENTS) else { return Vec::new() };
    if held.0.is_empty() {
        return Vec::new();
    }
    // A copy out of a table reads it.
    if is(words.first(), "copy") && !has(rest, "from") {
        return Vec::new();
    }
    vec![lock(*held, table_of(words, names))]
}

fn lock((mode, how_long): Held, table: Option<String>) -> Lock {
    let blocks = MODES.iter().find(|(known, _)| *known == mode).map_or(Blocks::Unknown, |(_, blocks)| *blocks);
    Lock { mode, table, how_long, blocks }
}

/// The table is the last name of a shape; of a trigger, a rule or a statistic it follows ON, TO or FROM.
fn table_of(words: &[&str], names: Vec<String>) -> Option<String> {
    if is(words.get(1), "column") || is(words.get(2), "column") {
        let column = names.into_iter().next_back()?;
        return column.rsplit_once('.').map(|(table, _)| table.to_owned());
    }
    let is_index = words.iter().take(3).any(|word| word.eq_ignore_ascii_case("index"));
    if is_index && !has(words, "on") {
        return None;
    }
    if let Some(name) = names.into_iter().next_back() {
        return Some(name);
    }
    let after = if is(words.get(1), "statistics") {
        "from"
    } else if has(words, "rule") {
        "to"
    } else {
        "on"
    };
    let at = place(words, after)?;
    fit(&words[at + 1..], "?only *")?.0.into_iter().next()
}

/// A table of its own is seen by nobody yet; what it refers to is (CREATE TABLE).
fn create_table(words: &[&str]) -> Vec<Lock> {
    let mut locks: Vec<Lock> =
        referenced(words).into_iter().map(|table| lock((SHARE_ROW_EXCLUSIVE, Brief), Some(table))).collect();
    for (phrase, held) in [("partition of", (ACCESS_EXCLUSIVE, Brief)), ("inherits (", (SHARE_UPDATE_EXCLUSIVE, Brief))]
    {
        let parent = place(words, phrase).and_then(|at| fit(&words[at + 2..], "*")?.0.into_iter().next());
        locks.extend(parent.map(|parent| lock(held, Some(parent))));
    }
    locks
}

/// The actions of ALTER TABLE that do not take ACCESS EXCLUSIVE for a moment (its page, and AlterTableGetLockLevel).
const CHANGES: &[(&str, Held)] = &[
    ("validate constraint *", (SHARE_UPDATE_EXCLUSIVE, Scan)),
    ("alter ?column * set statistics", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("alter ?column * set|reset (", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("set|reset (", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("cluster on", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("set without cluster", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("attach partition *", (SHARE_UPDATE_EXCLUSIVE, Brief)),
    ("detach partition * concurrently", (SHARE_UPDATE_EXCLUSIVE, Unknown)),
    ("enable|disable trigger", (SHARE_ROW_EXCLUSIVE, Brief)),
    ("enable replica|always trigger", (SHARE_ROW_EXCLUSIVE, Brief)),
    ("alter ?column * set not null", (ACCESS_EXCLUSIVE, Scan)),
    ("set logged|unlogged|tablespace|access", (ACCESS_EXCLUSIVE, Rewrite)),
];

fn alter_table(table: &str, changes: &[&str]) -> Vec<Lock> {
    let mut strongest: Option<Held> = None;
    let mut others = Vec::new();
    for change in items(changes) {
        let held = held_by(change);
        // One ALTER TABLE takes the strongest lock that any of its actions needs.
        let rank = |held: Held| MODES.iter().position(|(mode, _)| *mode == held.0).map(|at| MODES.len() - at);
        strongest = Some(match strongest {
            None => held,
            Some(before) => (if rank(held) > rank(before) { held.0 } else { before.0 }, held.1.max(before.1)),
        });
        others.extend(others_of(change, held));
    }
    let own = strongest.map(|held| lock(held, Some(table.to_owned())));
    own.into_iter().chain(others).collect()
}

fn held_by(change: &[&str]) -> Held {
    if let Some((.., held)) = first(change, CHANGES) {
        return *held;
    }
    let is_not_valid = has(change, "not valid");
    let adds = is(change.first(), "add");
    let constraint =
        if fit(change, "add constraint *").is_some() { &change[3..] } else { change.get(1..).unwrap_or_default() };
    match constraint.first().map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("foreign") if adds => (SHARE_ROW_EXCLUSIVE, if is_not_valid { Brief } else { Scan }),
        Some("check" | "not") if adds => (ACCESS_EXCLUSIVE, if is_not_valid { Brief } else { Scan }),
        Some("primary" | "unique") if adds => (ACCESS_EXCLUSIVE, if has(change, "using index") { Brief } else { Scan }),
        Some("exclude") if adds => (ACCESS_EXCLUSIVE, Scan),
        _ if adds => (ACCESS_EXCLUSIVE, new_column(change)),
        _ if fit(change, "alter ?column * ?set ?data type").is_some() => (ACCESS_EXCLUSIVE, new_type(change)),
        _ => (ACCESS_EXCLUSIVE, Brief),
    }
}

/// A default that is no constant is computed for each row (ALTER TABLE, Notes); now() and its kind are constant within
/// a statement.
fn new_column(change: &[&str]) -> HowLong {
    const STABLE: [&str; 8] = [
        "now",
        "statement_timestamp",
        "transaction_timestamp",
        "to_timestamp",
        "lower",
        "upper",
        "jsonb_build_object",
        "array",
    ];
    const VOLATILE: [&str; 7] =
        ["clock_timestamp", "gen_random_uuid", "nextval", "random", "timeofday", "uuid_generate_v4", "uuidv7"];
    let is_serial = |word: &&str| {
        ["serial", "bigserial", "smallserial", "serial4", "serial8"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    };
    if change.iter().any(is_serial) || has(change, "as identity") || has(change, "stored") {
        return Rewrite;
    }
    let default = place(change, "default").map_or(&[][..], |at| &change[at + 1..]);
    let calls = default.windows(2).filter(|pair| pair[1] == "(" && pair[0].starts_with(|c: char| c.is_alphabetic()));
    let of = |names: &[&str], name: &str| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let own = calls.map(|pair| match pair[0] {
        "check" | "CHECK" => Scan,
        name if of(&STABLE, name) => Brief,
        name if of(&VOLATILE, name) => Rewrite,
        _ => Unknown,
    });
    let checks = ["unique", "primary key", "check"].iter().any(|phrase| has(change, phrase));
    own.chain([if checks { Scan } else { Brief }]).max().unwrap_or(Brief)
}

/// To a text without a limit, or to a wider one, is no rewrite, but the type before is not written here.
fn new_type(change: &[&str]) -> HowLong {
    let Some(at) = place(change, "type") else { return Unknown };
    let is_text = change.get(at + 1).is_some_and(|word| {
        ["text", "varchar", "character", "numeric", "decimal", "citext", "inet"]
            .iter()
            .any(|it| word.eq_ignore_ascii_case(it))
    });
    if is_text && !has(change, "using") { Unknown } else { Rewrite }
}

/// What else an action locks: the other table of a key, or of a partition.
fn others_of(change: &[&str], held: Held) -> Vec<Lock> {
    let mut locks: Vec<Lock> = referenced(change)
        .into_iter()
        .map(|table| lock((SHARE_ROW_EXCLUSIVE, held.1.min(Scan)), Some(table)))
        .collect();
    for (shape, held) in
        [("attach partition *", (ACCESS_EXCLUSIVE, Scan)), ("detach partition *", (ACCESS_EXCLUSIVE, Brief))]
    {
        let partition = fit(change, shape).and_then(|(names, _)| names.into_iter().next());
        locks.extend(partition.map(|partition| lock(held, Some(partition))));
    }
    locks
}

/// `LOCK [TABLE] a, b [IN SHARE MODE]`, until the end of the transaction.
fn lock_table(words: &[&str]) -> Vec<Lock> {
    let end = place(words, "in").unwrap_or(words.len());
    let mode = MODES.iter().map(|(mode, _)| *mode).find(|mode| has(&words[end..], &format!("in {mode} mode")));
    let begin = if is(words.get(1), "table") { 2 } else { 1 };
    let names =
        items(&words[begin.min(end)..end]).into_iter().filter_map(|item| fit(item, "?only *")?.0.into_iter().next());
    names.map(|name| lock((mode.unwrap_or(ACCESS_EXCLUSIVE), Unknown), Some(name))).collect()
}

/// `WITH … INSERT INTO a`, also inside its parentheses.
fn with(words: &[&str]) -> Vec<Lock> {
    let shapes = ["insert into *", "update ?only *", "delete from ?only *", "merge into ?only *"];
    let names = (0..words.len()).filter_map(|at| {
        // What precedes FOR UPDATE or ON CONFLICT DO UPDATE names no table.
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        let is_clause = is(before, "for") || is(before, "do");
        let shape = |shape: &&str| fit(&words[at..], shape);
        if is_clause { None } else { shapes.iter().find_map(shape)?.0.into_iter().next() }
    });
    names.map(|name| lock((ROW_EXCLUSIVE, Rows), Some(name))).collect()
}

#[cfg(test)]
mod tests {
    use crate::locks::{Lock, locks};
    use whimbrel_core::Dialect;

    /// A statement, and what it locks; the same list is held against a server in `tests/tests/all/locks.rs`.
    const CASES: &str = include_str!("postgres.txt");

    #[test]
    fn what_a_statement_locks() {
        for case in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (text, expected) = case.split_once(" => ").expect("`statement => locks`");
            let shown: Vec<String> = locks(text, Dialect::Postgres).iter().map(Lock::to_string).collect();
            let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join("; ") };
            assert_eq!(shown, expected, "{text}");
        }
    }
}
