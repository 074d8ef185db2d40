//! What a database holds after a run, and when two of them are equal.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, MySqlConnection, PgConnection, SqliteConnection};

/// All that a run leaves, but for times, durations and who ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dump {
    /// The catalogue, and the rows of all tables, the history among them.
    lines: BTreeSet<String>,
    /// What happened to which version, in the order of the events' numbers, which stand before it.
    events: Vec<String>,
}

/// The columns whose values are times, durations and who ran it: of these a dump tells only whether they are NULL.
pub(crate) const OWN: [&str; 5] = ["started_at", "completed_at", "duration_ms", "applied_by", "application"];

/// The queries of a dump; each returns one text column.
pub(crate) struct Queries {
    /// Lines about tables, columns, indexes and so on.
    pub(crate) catalogue: &'static [&'static str],
    /// For each table a query for its rows.
    pub(crate) tables: String,
}

/// `1 started 0002`, and so on.
pub(crate) const EVENTS: &str = "SELECT concat(id, ' ', what, ' ', version) FROM whimbrel_events ORDER BY id";

/// A connection that is asked for texts.
pub(crate) trait Ask {
    async fn texts(&mut self, sql: &str) -> sqlx::Result<Vec<String>>;
}

impl Ask for PgConnection {
    async fn texts(&mut self, sql: &str) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(self).await
    }
}

impl Ask for MySqlConnection {
    async fn texts(&mut self, sql: &str) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(self).await
    }
}

impl Ask for SqliteConnection {
    async fn texts(&mut self, sql: &str) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(self).await
    }
}

impl Dump {
    pub(crate) async fn of(queries: &Queries, connection: &mut impl Ask) -> Self {
        let mut lines = BTreeSet::new();
        for sql in queries.catalogue {
            lines.extend(ask(connection, sql).await);
        }
        for sql in ask(connection, &queries.tables).await {
            // Equal rows must not fall together.
            let rows = ask(connection, &sql).await.into_iter().enumerate();
            lines.extend(rows.map(|(number, row)| format!("{row} #{number}")));
        }
        Self::new(lines, ask(connection, EVENTS).await)
    }

    /// From lines about the catalogue, lines about rows, each with `row of ` and its table, and events as [`EVENTS`] has
    /// them.
    pub(crate) fn new(lines: BTreeSet<String>, events: Vec<String>) -> Self {
        // A query that finds nothing would make all dumps equal.
        for table in ["ran", "whimbrel_history"] {
            let row = format!("row of {table}");
            assert!(lines.iter().any(|line| line.contains(&row)), "{lines:#?}");
        }
        Self { lines, events }
    }

    /// Panics unless this is what an undisturbed run leaves.
    ///
    /// All of it is the same but for the events: each run that was interrupted in a step outside a transaction may have
    /// left one pair more, `resolved` and `started`, directly behind that step's own `started`, and `taken_over` anywhere.
    pub(crate) fn assert_equals(&self, undisturbed: &Self, interruptions: usize, when: &str) {
        self.assert_holds(undisturbed, when);
        let [told, expected] = [&self.events, &undisturbed.events].map(|events| told(numbered(events), interruptions));
        assert_eq!(told, expected, "{when}: {:#?}", self.events);
    }

    /// As [`assert_equals`](Self::assert_equals) after any number of failures and interruptions, which leave events of
    /// their own, and let steps start again.
    pub(crate) fn assert_equals_but_for_failures(&self, undisturbed: &Self, when: &str) {
        self.assert_holds(undisturbed, when);
        let is_end = |what: &&str| ["failed ", "resolved ", "started "].iter().all(|it| !what.starts_with(it));
        let [told, expected] = [&self.events, &undisturbed.events]
            .map(|events| numbered(events).into_iter().filter(is_end).collect::<Vec<_>>());
        assert_eq!(told, expected, "{when}: {:#?}", self.events);
    }

    fn assert_holds(&self, undisturbed: &Self, when: &str) {
        let lost: Vec<&String> = undisturbed.lines.difference(&self.lines).collect();
        let new: Vec<&String> = self.lines.difference(&undisturbed.lines).collect();
        let events = &self.events;
        assert!(
            lost.is_empty() && new.is_empty(),
            "{when}:\nnot there: {lost:#?}\nnot undisturbed: {new:#?}\n{events:?}"
        );
    }
}

async fn ask(connection: &mut impl Ask, sql: &str) -> Vec<String> {
    connection.texts(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"))
}

/// What happened; events are numbered without a gap.
fn numbered(events: &[String]) -> Vec<&str> {
    let what = |(place, event): (usize, &'_ String)| -> usize {
        let (number, _) = event.split_once(' ').unwrap_or_default();
        assert_eq!(number, (place + 1).to_string(), "{events:#?}");
        number.len() + 1
    };
    events.iter().enumerate().map(|(place, event)| &event[what((place, event))..]).collect()
}

/// What happened without the pairs that so many interruptions explain.
fn told(mut told: Vec<&str>, interruptions: usize) -> Vec<&str> {
    let is_pair = |three: &[&str]| match three {
        [started, resolved, again] => {
            started == again
                && started.strip_prefix("started ") == resolved.strip_prefix("resolved ")
                && started.starts_with("started ")
        }
        _ => false,
    };
    for _ in 0..interruptions {
        if let Some(place) = told.iter().position(|what| what.starts_with("taken_over ")) {
            told.remove(place);
        }
    }
    for _ in 0..interruptions {
        if let Some(place) = told.windows(3).position(is_pair) {
            told.drain(place + 1..place + 3);
        }
    }
    told
}

#[test]
fn one_interruption_is_told_and_no_other() {
    let events = |told: &[&str]| -> Vec<String> {
        told.iter().enumerate().map(|(place, what)| format!("{} {what}", place + 1)).collect()
    };
    let undisturbed = ["applied 1", "started 2", "applied 2"];
    let cases: [(&[&str], bool); 9] = [
        (&undisturbed, true),
        (&["applied 1", "started 2", "resolved 2", "started 2", "applied 2"], true),
        (&["applied 1", "started 2", "resolved 2", "started 2", "resolved 2", "started 2", "applied 2"], false),
        (&["applied 1", "started 2", "taken_over 2", "resolved 2", "started 2", "applied 2"], true),
        (&["applied 1", "taken_over 2", "taken_over 2", "started 2", "applied 2"], false),
        (&["applied 1", "started 2", "started 2", "applied 2"], false),
        (&["applied 1", "started 2", "failed 2", "started 2", "applied 2"], false),
        (&["applied 1", "resolved 1", "started 2", "applied 2"], false),
        (&["applied 1", "applied 2"], false),
    ];
    for (case, equal) in cases {
        assert_eq!(told(numbered(&events(case)), 1) == numbered(&events(&undisturbed)), equal, "{case:?}");
    }
}
