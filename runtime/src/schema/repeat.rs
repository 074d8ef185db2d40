//! What a second run of a statement that writes rows does.

use super::name::{Name, kept};
use super::reader::Reader;

/// Whether it may run twice. A TTL does not count: it starts anew, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// With the same timestamp from the client it changes nothing.
    Pinned,
    /// It says `USING TIMESTAMP`, in all its parts.
    OwnTimestamp,
    /// Why not: `it adds to a counter`.
    Unrepeatable(String),
}

/// Why a conditional write may not.
pub(crate) const CONDITIONAL: &str = "is conditional (IF)";

/// Functions whose answer is the same each time (Cassandra 5.0: cql3/functions). Whoever writes a function of their
/// own need not keep to that, so others are not trusted.
const SAME_EACH_TIME: &str = "abs cast collection_avg collection_count collection_max collection_min \
    collection_sum dateof exp from_json fromjson log log10 map_keys map_values max_timeuuid maxtimeuuid \
    min_timeuuid mintimeuuid round similarity_cosine similarity_dot_product similarity_euclidean to_date to_json \
    to_timestamp to_unix_timestamp todate tojson token totimestamp tounixtimestamp unixtimestampof";

/// What may stand before a parenthesis and is no function.
const NOT_CALLED: &[&str] = &["and", "contains", "if", "in", "key", "like", "not", "set", "values", "where"];

/// What a statement does that begins with `INSERT`, `UPDATE`, `DELETE` or `BEGIN`, when it runs again.
pub(crate) fn repeat(words: &[&str]) -> Repeat {
    let why = whole(words)
        .or_else(|| json(words))
        .or_else(|| (0..words.len()).find_map(|at| at_word(words, at)))
        .or_else(|| assignments(words).find_map(increment));
    match why {
        Some(why) => Repeat::Unrepeatable(format!("it {why}")),
        None if all_have_timestamps(words) => Repeat::OwnTimestamp,
        None => Repeat::Pinned,
    }
}

/// The tables that it writes.
pub(crate) fn tables(words: &[&str], keyspace: &str) -> Vec<Name> {
    let mut tables: Vec<Name> = Vec::new();
    let before = |word: &&str| is_one_of(word, &["into", "from", "update"]);
    for (at, _) in words.iter().enumerate().filter(|(_, word)| before(word)) {
        let text = words[at + 1..words.len().min(at + 4)].join(" ");
        let name = Reader::new(&text, keyspace).qualified();
        tables.extend(name.filter(|name| !tables.contains(name)));
    }
    tables
}

fn is_one_of(word: &str, known: &[&str]) -> bool {
    known.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// What is said of the statement as a whole.
fn whole(words: &[&str]) -> Option<String> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|it| it.eq_ignore_ascii_case(word));
    let why = match () {
        () if is(0, "begin") && is(1, "counter") => "adds to counters",
        () if is(0, "begin") && is(1, "transaction") => "is a transaction that decides by what it reads",
        // IF is reserved.
        () if words.iter().any(|word| is_one_of(word, &["if"])) => CONDITIONAL,
        () => return None,
    };
    Some(why.to_owned())
}

/// What a word says by itself and by its neighbours.
fn at_word(words: &[&str], at: usize) -> Option<String> {
    let (word, before) = (words[at], at.checked_sub(1).map_or("", |at| words[at]));
    match word {
        // After a name it is a subscript.
        "[" if kept(before).is_none() => Some("writes a list".to_owned()),
        // Where an application has deleted one before it, the place is another element's, and the same timestamp is newer
        // than that (tried with Cassandra 5.0.8).
        "[" if is_list_index(&words[at + 1..]) => Some("changes an element of a list by its place".to_owned()),
        "(" => called(words, at),
        _ => None,
    }
}

/// JSON writes sets like lists, and only the table tells which it is.
fn json(words: &[&str]) -> Option<String> {
    let speaks = words.iter().any(|word| is_one_of(word, &["json", "fromjson", "from_json"]));
    let has_list = speaks && words.iter().any(|word| word.starts_with(['\'', '$']) && word.contains('['));
    has_list.then(|| "may write a list (as JSON)".to_owned())
}

/// Whether a subscript may be that of a list; the keys of maps that look like one are taken for it too.
fn is_list_index(after: &[&str]) -> bool {
    let end = after.iter().position(|word| *word == "]").unwrap_or(after.len());
    let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    match &after[..end] {
        [] => true,
        [word] => is_number(word),
        // A cast, a call, a sum; a UUID begins with more than digits, or goes on with a word.
        words => words.contains(&"(") || words.iter().all(|word| is_number(word) || matches!(*word, "+" | "-" | "*")),
    }
}

/// The call whose parenthesis this is, unless it answers the same each time.
fn called(words: &[&str], at: usize) -> Option<String> {
    let before = at.checked_sub(1).map(|at| words[at])?;
    let function = kept(before)?;
    // INSERT INTO [keyspace.]table (
    let is_table = |at: usize| at.checked_sub(1).is_some_and(|at| is_one_of(words[at], &["into"]));
    let is_qualified = at >= 3 && words[at - 2] == ".";
    if is_one_of(before, NOT_CALLED) || is_table(at - 1) || is_qualified && is_table(at - 3) {
        return None;
    }
    let is_blob = function.ends_with("asblob") || function.ends_with("_as_blob") || function.starts_with("blobas");
    let is_own = is_qualified && !words[at - 3].eq_ignore_ascii_case("system");
    let is_same = is_blob || function.starts_with("blob_as_") || SAME_EACH_TIME.split(' ').any(|same| same == function);
    (is_own || !is_same).then(|| format!("calls {before}(), whose answer may be another each time"))
}

/// The assignments of all `SET`s, up to their commas.
fn assignments<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a [&'a str]> {
    let mut depth = 0_isize;
    let mut inside = false;
    words
        .split(move |word| {
            depth += match *word {
                "(" | "[" | "{" => 1,
                ")" | "]" | "}" => -1,
                _ => 0,
            };
            let begins = is_one_of(word, &["set"]);
            inside = begins || inside && !is_one_of(word, &["where"]);
            begins || !inside || depth == 0 && *word == ","
        })
        .filter(|assignment| assignment.len() > 2)
}

/// Adding to what is there: harmless where it is a set or a map.
fn increment(assignment: &[&str]) -> Option<String> {
    let own = kept(assignment[0])?;
    let added = match &assignment[1..] {
        ["+" | "-", "=", added @ ..] => added,
        ["=", value @ ..] if value.iter().any(|word| kept(word).as_ref() == Some(&own)) => {
            // c = c + 1, c = 1 + c
            let is_first = kept(value[0]).is_some_and(|name| name == own);
            if is_first { value.get(2..).unwrap_or_default() } else { value }
        }
        _ => return None,
    };
    (added.first() != Some(&"{")).then(|| "adds to a counter".to_owned())
}

/// Whether a timestamp stands in the head of the batch, or in each of its parts.
fn all_have_timestamps(words: &[&str]) -> bool {
    let verbs = ["begin", "insert", "update", "delete", "apply"];
    let mut parts = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if is_one_of(word, &verbs) {
            parts.push(at);
        }
    }
    parts.push(words.len());
    let has = |part: &[&str]| {
        let using = part.iter().position(|word| is_one_of(word, &["using"])).map(|at| &part[at..]).unwrap_or_default();
        let end = using.iter().position(|word| is_one_of(word, &["set", "where"])).unwrap_or(using.len());
        using[..end].iter().any(|word| is_one_of(word, &["timestamp"]))
    };
    let mut parts =
        parts.windows(2).map(|ends| &words[ends[0]..ends[1]]).filter(|part| !is_one_of(part[0], &["apply"]));
    match parts.next() {
        Some(head) if has(head) => true,
        Some(head) if is_one_of(head[0], &["begin"]) => {
            let rest: Vec<_> = parts.collect();
            !rest.is_empty() && rest.iter().all(|part| has(part))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
