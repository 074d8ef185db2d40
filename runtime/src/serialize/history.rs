use serde::{Serialize, Serializer};

use crate::history::{Entry, State};
use crate::runner::{Runner, Work};
use crate::serialize::{ms, text};

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[derive(Serialize)]
struct EntryShape<'a> {
    version: &'a str,
    rank: i64,
    name: &'a str,
    task: Option<&'a str>,
    kind: &'a str,
    path: &'a str,
    checksum: String,
    state: State,
    statements: usize,
    applied: usize,
    undone: Option<usize>,
    phase: Option<&'static str>,
    started_at: &'a str,
    completed_at: Option<&'a str>,
    duration_ms: Option<i64>,
    applied_by: &'a str,
    application: &'a str,
    error: Option<&'a str>,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = EntryShape {
            version: text(&self.version),
            rank: self.rank,
            name: &self.name,
            task: self.task.as_deref(),
            kind: &self.kind,
            path: &self.path,
            checksum: self.checksum.to_string(),
            state: self.state,
            statements: self.statements,
            applied: self.applied,
            undone: self.undone,
            phase: self.phase.map(whimbrel_core::script::Phase::name),
            started_at: &self.started_at,
            completed_at: self.completed_at.as_deref(),
            duration_ms: self.duration_ms,
            applied_by: &self.applied_by,
            application: &self.application,
            error: self.error.as_deref(),
        };
        shape.serialize(serializer)
    }
}

#[derive(Serialize)]
struct RunnerShape<'a> {
    session: &'a str,
    work: Option<&'a Work>,
}

impl Serialize for Runner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RunnerShape { session: &self.session, work: self.work.as_ref() }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct WorkShape<'a> {
    by: &'a str,
    process: u32,
    application: &'a str,
    version: &'a str,
    action: crate::report::Action,
    statement: usize,
    statements: usize,
    since: &'a str,
    last_sign_ms: Option<u64>,
}

impl Serialize for Work {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = WorkShape {
            by: &self.by,
            process: self.process,
            application: &self.application,
            version: text(&self.version),
            action: self.action,
            statement: self.statement,
            statements: self.statements,
            since: &self.since,
            last_sign_ms: self.last_sign.map(ms),
        };
        shape.serialize(serializer)
    }
}
