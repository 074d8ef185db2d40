//! The statements of a script, each once: its progress is written under the right, before and after it.

use std::time::{Duration, Instant};

use whimbrel_core::{Dialect, Digest, Kind, Script, Statement};

use crate::database_error::DatabaseError;
use crate::doubt::cql::is_harmless_again;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::catalogue;
use crate::driver::scylla::client::Request;
use crate::driver::scylla::doubt;
use crate::driver::scylla::nodes::Need;
use crate::driver::scylla::record::Mark;
use crate::driver::scylla::step::{Steps, refused, too_late};
use crate::driver::{Failure, Part, Stop};
use crate::error::Result;
use crate::plan::Step;
use crate::schema::effect::Effect;
use crate::schema::repeat::Repeat;

/// A script at work.
pub(crate) struct Run<'r, 's, 'k, 'a, 'b> {
    pub(crate) steps: &'r mut Steps<'s, 'k, 'a, 'b>,
    pub(crate) step: &'r Step<'b>,
    pub(crate) script: &'r Script,
}

/// How often a statement is sent that the servers did not run.
const TRIES: u32 = 10;
/// How often one is sent whose repetition changes nothing, when its answer is lost.
const REPEATS: u32 = 3;

/// Milliseconds before the next try: more each time, and not the same for all.
fn pause(tries: u32) -> Duration {
    let random = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis((50 << tries.min(6)) + random)
}

impl Run<'_, '_, '_, '_, '_> {
    /// Runs what is not done yet; the number of statements that were.
    pub(crate) async fn statements(mut self) -> Result<usize, Stop> {
        let (first, all) = (self.step.skip, self.script.len());
        if first >= all {
            self.steps.enter(self.step, Mark::default()).await?;
        }
        for index in first..all {
            let Some(statement) = self.script.statement(index) else { break };
            let (observer, step) = (self.steps.batch.observer, self.step);
            if observer.stops_before(step, index, Dialect::Cql) {
                return Err(Stop::Failed(Box::new(Failure::stopped_before(index, index, step))));
            }
            observer.statement(step, index);
            self.statement(index, &statement).await?;
        }
        Ok(all - first.min(all))
    }

    async fn statement(&mut self, index: usize, statement: &Statement) -> Result<(), Stop> {
        let text = self.script.text_of(statement);
        let effect = Effect::of(text, &self.steps.known.client.keyspace());
        let need = need(&effect);
        let mark = match self.prepare((index, text), &effect, need).await {
            Ok(mark) => mark,
            Err(error) => {
                // Otherwise whoever comes next would have to settle the statement before this one.
                if index > self.step.skip {
                    self.steps.pause(self.step, index, &error.to_string()).await;
                }
                return Err(Stop::Broken(error));
            }
        };
        if index == self.step.skip {
            self.steps.enter(self.step, mark.clone()).await?;
        } else {
            self.steps.progress(self.step, index, mark.clone()).await?;
        }
        self.execute(index, (text, statement.kind), &effect, &mark).await?;
        if let Some(need) = need {
            self.steps.agree(need).await.map_err(Stop::Broken)?;
        }
        Ok(())
    }

    /// Waits for the nodes to agree, and notes what a statement will meet.
    async fn prepare(&self, at: (usize, &str), effect: &Effect, need: Option<Need>) -> Result<Mark> {
        if let Some(need) = need {
            self.steps.agree(need).await?;
        }
        self.mark(at, effect).await
    }

    /// What whoever comes after us must know of a statement.
    async fn mark(&self, (index, text): (usize, &str), effect: &Effect) -> Result<Mark> {
        let (client, at) = (self.steps.known.client, self.steps.coordinator);
        let broken = |fault: Fault| fault.into_error(self.steps.known.table);
        let mark = Mark {
            statement: Some(index),
            digest: Some(digest_of(text)),
            coordinator: Some(at.host_id.clone()),
            ..Mark::default()
        };
        Ok(match effect {
            Effect::Schema(_) | Effect::Unknown => {
                let keyspaces = catalogue::keyspaces(effect, &client.keyspace());
                let digest = catalogue::digest(client, &at.node, &keyspaces).await.map_err(broken)?;
                Mark { schema_before: Some(digest), ..mark }
            }
            Effect::Rows { repeat: Repeat::Pinned, .. } => {
                // What may have been written once is written with the same time again: that changes nothing.
                let write_time = match self.before(index, text).and_then(|mark| mark.write_time) {
                    Some(time) => time,
                    None => self.write_time().await.map_err(broken)?,
                };
                Mark { write_time: Some(write_time), ..mark }
            }
            _ => mark,
        })
    }

    /// What is known of a statement that was in doubt, if it is still the same one.
    fn before(&self, index: usize, text: &str) -> Option<&Mark> {
        let mark = self.steps.known.marks.get(&self.step.key)?;
        (mark.statement == Some(index) && mark.digest == Some(digest_of(text))).then_some(mark)
    }

    /// A time after all that migrations have written, and after the schema change before it: the database's, since the
    /// time of dropping a column is, too.
    async fn write_time(&self) -> Result<i64, Fault> {
        let select = "SELECT toUnixTimestamp(now()) FROM system.local WHERE key='local'";
        let rows = self.steps.known.client.send(Request::own(select, &self.steps.coordinator.node)).await?;
        let now = rows.into_iter().next().and_then(|row| row.into_iter().next()?).and_then(|ms| ms.parse::<i64>().ok());
        Ok((now.unwrap_or(0) * 1000).max(self.steps.last_write_time + 1000))
    }

    /// Sends a statement until it is known what became of it.
    async fn execute(
        &self,
        index: usize,
        (text, kind): (&str, Kind),
        effect: &Effect,
        mark: &Mark,
    ) -> Result<(), Stop> {
        let (limit, coordinator) = (self.steps.limit(self.step), self.steps.coordinator);
        let (mut tries, mut repeats) = (1, 1);
        // Rows may have been written, by us or by whoever was at it before.
        let mut may_be_done = matches!(effect, Effect::Rows { .. }) && self.before(index, text).is_some();
        let part = |may_be_done| if may_be_done { Part::Half(index) } else { Part::Statement(index) };
        loop {
            self.wait_for_right(limit).await?;
            let request = Request::new(text).to(&coordinator.node).within(limit).at(mark.write_time);
            let client = self.steps.known.client;
            match client.send(request).await {
                Ok(_) => return Ok(()),
                Err(Fault::Refused(cause)) => {
                    let seen = (coordinator, self.steps.known.cluster);
                    if self.was_late((index, text), effect).await?
                        || doubt::came_before(client, seen, mark, effect).await
                    {
                        tracing::warn!(cause = %cause, "it was done late, by a runner before this one, and is not repeated");
                        return Ok(());
                    }
                    return Err(self.failed(part(may_be_done), cause));
                }
                Err(Fault::Error(error)) => return Err(Stop::Broken(error)),
                Err(Fault::Later(cause)) if kind == Kind::Query || !may_have_been_done(&cause, effect) => {
                    if tries >= TRIES {
                        return Err(self.failed(part(may_be_done), cause));
                    }
                    tracing::info!(cause = %cause, tries, "the statement was not run; trying again");
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
                Err(Fault::Later(cause) | Fault::Unknown(cause)) => {
                    if !is_harmless_again(effect) || repeats >= REPEATS {
                        return Err(Stop::Lost(cause));
                    }
                    tracing::info!(cause = %cause, repeats, "the answer is lost; writing the same again");
                    tokio::time::sleep(pause(repeats)).await;
                    repeats += 1;
                    may_be_done = true;
                }
            }
        }
    }

    /// Whether a schema change that was found not to be done is there now, and was therefore refused: it has stood in a
    /// queue for longer than anybody looked.
    async fn was_late(&self, (index, text): (usize, &str), effect: &Effect) -> Result<bool, Stop> {
        if self.before(index, text).is_none() || !matches!(effect, Effect::Schema(_)) {
            return Ok(false);
        }
        let (client, node) = (self.steps.known.client, &self.steps.coordinator.node);
        let keyspaces = catalogue::keyspaces(effect, &client.keyspace());
        let found = catalogue::found(client, node, &keyspaces).await;
        let found = found.map_err(|fault| Stop::Broken(fault.into_error(self.steps.known.table)))?;
        Ok(effect.took_effect(&found) == Some(true))
    }

    /// Sends nothing that the right may not outlast.
    async fn wait_for_right(&self, limit: Duration) -> Result<(), Stop> {
        let begun = Instant::now();
        while self.steps.right.left() < limit {
            if self.steps.right.left().is_zero() || begun.elapsed() > self.steps.right.lease() {
                return Err(too_late(self.step));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn failed(&self, part: Part, cause: DatabaseError) -> Stop {
        Stop::Failed(Box::new(refused(self.script, part, cause)))
    }
}

/// What the nodes must agree on before and after a statement; `None` where it leaves the schema as it is.
fn need(effect: &Effect) -> Option<Need> {
    match effect {
        Effect::Query | Effect::Rows { .. } => None,
        effect if effect.is_additive() => Some(Need::Additive),
        // What was not understood may do anything.
        Effect::Schema(_) | Effect::Unknown => Some(Need::Everyone),
    }
}

/// Whether a write may have been done although its error says that it was not tried.
fn may_have_been_done(cause: &DatabaseError, effect: &Effect) -> bool {
    match cause.code() {
        // It reads first, and goes on without that answer.
        Some("0x1200" | "0x1300") => true,
        // The replicas have decided for it, and too few are left to tell it to (ScyllaDB manual, Lightweight Transactions).
        Some("0x1000") => effect.is_conditional(),
        _ => false,
    }
}

/// Tells one text of a statement from another.
fn digest_of(text: &str) -> String {
    Digest::of(&[text.as_bytes()]).to_string()
}
