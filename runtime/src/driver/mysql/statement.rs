//! A script, statement by statement: each with its progress in one request, and in one transaction where it changes rows.
//! The first one's request begins the step, and the last one's completes it, for which no answer must be looked at.

use crate::backoff::Backoff;
use crate::database_error::DatabaseError;
use crate::doubt::mysql::is_needed_again;
use crate::doubt::{goes_with_progress, is_border};
use crate::driver::completed::ALL;
use crate::driver::mysql::answer::{self, Fault, number};
use crate::driver::mysql::catalogue;
use crate::driver::mysql::holders::{self, Seen, Waits};
use crate::driver::mysql::left::{Left, left};
use crate::driver::mysql::link::Link;
use crate::driver::mysql::request::{self, TONGUE};
use crate::driver::mysql::{right, step};
use crate::driver::{Batch, Done, Failure, Part, Stop, rows_of};
use crate::plan::Step;
use crate::progress::Progress;
use crate::table_name::Tables;
use whimbrel_core::{Dialect, Kind, Script, Statement};

/// A step's script at work; `begun` is the event that says so.
pub(crate) struct Run<'r, 'l, 'b> {
    pub(crate) link: &'r mut Link<'l>,
    pub(crate) tables: &'r Tables,
    pub(crate) batch: &'r Batch<'b>,
    pub(crate) step: &'r Step<'b>,
    pub(crate) script: &'r Script,
    pub(crate) begun: i64,
    /// What begins the step; empty once it is sent.
    pub(crate) opening: Vec<String>,
    /// What completes it, if the last statement may.
    pub(crate) closing: Option<String>,
}

const BEGIN: &str = "START TRANSACTION READ WRITE";
/// A script may have locked tables, and ours is not among them.
const UNLOCK: &str = "UNLOCK TABLES";

/// Whether a change commits by itself; where it does not, it goes with its progress until the script commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Autocommit {
    On,
    Off,
}

impl Autocommit {
    /// What `SET autocommit = …` says, if a statement is one.
    fn after(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (_, value) = text.strip_prefix("set")?.split_once("autocommit")?;
        let value = value.trim_start_matches([' ', '\t', '=', ':']);
        Some(if ["0", "off", "false"].iter().any(|off| value.starts_with(off)) { Self::Off } else { Self::On })
    }
}

/// A statement, and what it is sent between.
struct Sent<'s> {
    index: usize,
    statement: &'s Statement,
    /// The transaction that it is sent in, if it is one of ours.
    lead: Option<&'s str>,
    /// Our statements after it.
    after: Vec<String>,
    repeats: Repeats,
}

impl Sent<'_> {
    /// All of it, in what it stands.
    fn within(&self, text: &str, opening: &[String], closing: Option<&str>) -> String {
        let before = opening.iter().map(String::as_str).chain(self.lead);
        let after = self.after.iter().map(String::as_str).chain(closing);
        before.chain([text]).chain(after).collect::<Vec<_>>().join(";\n")
    }

    /// Whether the server completes it once, so that what fails after it is known: a call completes more often.
    fn is_one(&self) -> bool {
        matches!(self.statement.kind, Kind::Ddl | Kind::Dml | Kind::Query | Kind::Commit)
    }
}

/// Whether what did not get a lock is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// It is whole: nothing of it was done.
    Yes,
    /// What stands before it in its transaction is gone with it, or it may have committed some of its work.
    No,
}

impl Run<'_, '_, '_> {
    /// What is left to complete the step.
    pub(crate) async fn statements(mut self, done: &mut Done) -> Result<Option<String>, Stop> {
        // The last one that begins or ends a transaction, and whether each change begins one by itself.
        let (mut border, mut autocommit) = (None, Autocommit::On);
        for (index, statement) in self.script.statements().enumerate() {
            // What is done is not repeated, but what it has set on its session is gone.
            if index < self.step.skip
                && (statement.kind != Kind::Session || !is_needed_again(self.script, index, self.step.skip))
            {
                continue;
            }
            let is_open = border == Some(Kind::Begin) || autocommit == Autocommit::Off;
            if !is_open && self.batch.observer.stops_before(self.step, index, Dialect::Mysql) {
                return Err(self.stopped_before(index));
            }
            self.batch.observer.statement(self.step, index);
            let ends = is_border(statement.kind, Dialect::Mysql);
            if ends {
                border = Some(statement.kind);
            }
            if statement.kind == Kind::Session {
                autocommit = Autocommit::after(self.script.text_of(&statement)).unwrap_or(autocommit);
            }
            let is_inside = border == Some(Kind::Begin) || autocommit == Autocommit::Off && !ends;
            let together = !is_inside && goes_with_progress(self.script, &statement, Dialect::Mysql);
            let note = self.note(index + 1);
            let moved = right::moves(self.tables, index + 2);
            let commit = "COMMIT".to_owned();
            let mut after = match (index < self.step.skip, is_inside) {
                (true, _) => Vec::new(),
                _ if together => [vec![UNLOCK.to_owned()], note, vec![moved, commit]].concat(),
                // Our row of the lock stays as it is until the script commits: our signs of life would wait for that.
                (_, true) => [vec![UNLOCK.to_owned()], note].concat(),
                // What is done is committed, and the script may have made its session read-only.
                _ => [vec![UNLOCK.to_owned(), BEGIN.to_owned()], note, vec![moved, commit]].concat(),
            };
            after.extend(self.of_the_next_transaction(&statement).filter(|_| !after.is_empty() && !is_inside));
            let lead = (together && !after.is_empty()).then_some(BEGIN);
            let is_whole = together || statement.kind == Kind::Ddl;
            let repeats = if is_whole { Repeats::Yes } else { Repeats::No };
            let rows = self.send(&Sent { index, statement: &statement, lead, after, repeats }).await?;
            if index < self.step.skip {
                continue;
            }
            done.statements += 1;
            done.add_rows(rows_of(self.step, index, rows));
        }
        if !self.opening.is_empty() {
            step::enter(self.link, self.tables, self.opening).await?;
        }
        Ok(self.closing)
    }

    fn stopped_before(&self, index: usize) -> Stop {
        Stop::Failed(Box::new(Failure::stopped_before(index, index, self.step)))
    }

    /// `SET TRANSACTION` once more, where it counts for the next transaction, which was ours.
    fn of_the_next_transaction(&self, statement: &Statement) -> Option<String> {
        let text = self.script.text_of(statement);
        let mut words = text.split_ascii_whitespace().map(str::to_ascii_lowercase);
        match (words.next().as_deref(), words.next().as_deref()) {
            (Some("set"), Some("transaction")) => Some(text.to_owned()),
            _ => None,
        }
    }

    /// Notes the progress, or fails: a script may have taken its own entry away.
    fn note(&self, done: usize) -> Vec<String> {
        vec![TONGUE.progress(self.tables, self.step, self.begun, done), request::ONE_ROW.to_owned()]
    }

    /// What a statement's request begins with and ends with, if it takes them: the step's beginning, and its end.
    async fn around(&mut self, sent: &Sent<'_>) -> Result<(Vec<String>, Option<String>), Stop> {
        let text = self.script.text_of(sent.statement);
        let packet = self.link.packet;
        let fits = |opening: &[String], closing: Option<&str>| sent.within(text, opening, closing).len() < packet;
        let is_last = sent.index + 1 == self.script.len() && sent.index >= self.step.skip;
        let closes = is_last && sent.is_one() && fits(&[], self.closing.as_deref());
        let closing = if closes { self.closing.take() } else { None };
        let opens = fits(&self.opening, closing.as_deref());
        let opening = std::mem::take(&mut self.opening);
        if opens {
            return Ok((opening, closing));
        }
        step::enter(self.link, self.tables, opening).await?;
        Ok((Vec::new(), closing))
    }

    /// Sends a statement, again while the tables that it needs are held; how many rows it has changed.
    async fn send(&mut self, sent: &Sent<'_>) -> Result<u64, Stop> {
        let text = self.script.text_of(sent.statement);
        let (mut opening, closing) = self.around(sent).await?;
        let lead = usize::from(sent.lead.is_some());
        let wait = self.script.options().lock_timeout.unwrap_or(self.batch.settings.statement_lock_timeout);
        let mut backoff = Backoff::new(self.batch.patience);
        loop {
            let lock = request::lock_name(self.tables);
            let sql = sent.within(text, &opening, closing.as_deref());
            let (answer, seen) = holders::send(self.link, Waits { sql, wait, lock }).await;
            let fault = match answer {
                Ok(answer) => return Ok(answer.statements.get(opening.len() + lead).map_or(0, |it| it.changed)),
                Err(fault) => fault,
            };
            let completed = fault.answer().statements.len();
            let (cause, completed) = match fault {
                Fault::Database { .. } if completed < opening.len() => {
                    return Err(step::not_entered(self.link, self.tables, fault).await);
                }
                Fault::Database { .. } if closing.is_some() && completed > opening.len() + lead + sent.after.len() => {
                    return Err(step::not_left(self.link, self.tables, self.step, fault).await);
                }
                Fault::Database { cause, .. } => (cause, completed - opening.len()),
                fault => return Err(Stop::Broken(fault.into_error(self.tables))),
            };
            // It has committed.
            opening.clear();
            let rows = self.roll_back().await;
            let has_waited = matches!(number(&cause), "1205" | "1213");
            let is_nothing_done = rows == Rows::None && completed <= lead;
            if has_waited && is_nothing_done && sent.repeats == Repeats::Yes {
                if backoff.slept().is_zero() {
                    let what = "the tables that a statement needs";
                    self.batch.observer.tell(&Progress::Waiting { what, at_most: backoff.left() });
                }
                match self.batch.observer.unless_stopped(backoff.sleep()).await {
                    Some(true) => continue,
                    Some(false) => {}
                    None => return Err(self.stopped_before(sent.index)),
                }
            }
            return Err(self.failed(sent, (cause, completed), rows, seen).await);
        }
    }

    /// Ends the transaction; whether rows stay all the same, in a table that has none.
    async fn roll_back(&mut self) -> Rows {
        let sql = "ROLLBACK;\nSHOW WARNINGS;\nUNLOCK TABLES".to_owned();
        // On an error the connection is broken, which ends its transaction as well.
        let warnings = self.link.send(sql, ALL).await.unwrap_or_default().rows;
        let codes = warnings.iter().filter_map(|row| row.get(1)?.as_deref());
        if codes.into_iter().any(|code| code == NOT_ROLLED_BACK) { Rows::Stay } else { Rows::None }
    }

    /// What a statement's failure comes to: what stays of the script, and of itself.
    async fn failed(&mut self, sent: &Sent<'_>, error: (DatabaseError, usize), rows: Rows, seen: Seen) -> Stop {
        let (mut cause, completed) = error;
        let (index, statement) = (sent.index, sent.statement);
        let lead = usize::from(sent.lead.is_some());
        let is_ours = completed > lead && matches!(statement.kind, Kind::Ddl | Kind::Dml | Kind::Query)
            || completed > 2 && number(&cause) == request::NOT_ONE_ROW;
        if is_ours {
            // What commits by itself is done, though we could not note it.
            let kept = if statement.kind == Kind::Ddl { index + 1 } else { self.kept(index).await };
            if number(&cause) == request::NOT_ONE_ROW {
                cause = DatabaseError::entry_gone();
            }
            return Stop::Failed(Box::new(Failure { part: Part::Leave, range: None, cause, kept }));
        }
        let kept = self.kept(index).await;
        let part = self.part(sent, &mut cause, rows).await;
        if number(&cause) == "1205" {
            cause.detail = holders::holders(self.link, seen).await;
            cause.hint = Some("raise `-- whimbrel:lock-timeout`, or end the session that holds the table".to_owned());
        }
        let range = statement.range();
        let place = answer::place(self.script.text_of(statement), cause.message());
        let place = place.map(|at| range.start + at.start..range.start + at.end).unwrap_or(range);
        cause.message = answer::sentence(cause.message());
        Stop::Failed(Box::new(Failure { part, range: Some(place), cause, kept }))
    }

    /// How many statements stay, as the history has it: a progress shares the fate of what it tells of.
    async fn kept(&mut self, otherwise: usize) -> usize {
        let applied = request::applied(self.tables, self.step);
        // What a script has set on its session may hide it.
        let sql = format!("{};\n{applied}", request::CLEANUP);
        let answer = self.link.send(sql, ALL).await.ok();
        answer.and_then(|answer| answer.into_value()?.parse().ok()).unwrap_or(otherwise)
    }

    /// Whether a statement that failed has left something: `DROP TABLE a, nope, c` drops two of them (tried).
    async fn part(&mut self, sent: &Sent<'_>, cause: &mut DatabaseError, rows: Rows) -> Part {
        if rows == Rows::Stay {
            cause.detail = Some("rows that it changed in a table without transactions stay".to_owned());
            return Part::Half(sent.index);
        }
        match left(self.script, sent.index, number(cause)) {
            Left::Nothing => Part::Statement(sent.index),
            Left::Unknown => Part::Half(sent.index),
            Left::Ask(questions) => {
                let mut found = Vec::new();
                for question in questions.iter().filter(|question| !question.is_named_in(cause.message())) {
                    // Without an answer the error tells less.
                    if catalogue::ask(self.link, &question.thing).await.is_ok_and(|answer| answer == question.done) {
                        found.push(question.to_string());
                    }
                }
                if found.is_empty() {
                    return Part::Statement(sent.index);
                }
                cause.detail = Some(format!("by now there is {}", found.join(", ")));
                Part::Half(sent.index)
            }
        }
    }
}

/// What a rollback leaves of the rows that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    None,
    Stay,
}

/// Some non-transactional changed tables couldn't be rolled back.
const NOT_ROLLED_BACK: &str = "1196";
