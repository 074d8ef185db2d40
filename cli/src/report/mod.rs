//! All there is to know of a database's migrations, gathered once, and told in three forms.

mod html;
mod summary;

use std::collections::BTreeMap;

use serde::Serialize;
use whimbrel::{Entry, Event, Health, Plan, Standing, Status, Target, Validation};

pub(crate) use html::html;
pub(crate) use summary::summary;

use crate::command::plan;
use crate::context;
use crate::failure::Failure;

/// What a report tells.
#[derive(Debug, Serialize)]
pub(crate) struct Facts<'m> {
    /// What the migrations belong to: `shop 2.4.0`, or their directory.
    pub(crate) of: String,
    /// Without its password.
    pub(crate) database: String,
    pub(crate) health: Health,
    pub(crate) status: Status,
    pub(crate) entries: Vec<Entry>,
    pub(crate) events: Vec<Event>,
    /// What `up` would run; `None` where it would refuse.
    pub(crate) plan: Option<Plan<'m>>,
    /// Why it would.
    pub(crate) refused: Option<String>,
    #[serde(skip)]
    pub(crate) locks: plan::Facts,
    pub(crate) validation: Validation,
}

/// So many of the last events are in a report.
const EVENTS: usize = 1_000;

impl<'m> Facts<'m> {
    pub(crate) async fn gather(target: &'m context::Target<'_>) -> Result<Self, Failure> {
        let mut migrator = target.migrator()?;
        let status = migrator.status().await?;
        let health = migrator.health().await;
        let entries = migrator.history().await?;
        let events = migrator.events(Some(EVENTS)).await?;
        let (plan, refused) = match migrator.plan(Target::Latest).await {
            Ok(plan) => (Some(plan), None),
            Err(refused) => (None, Some(format!("{refused:?}"))),
        };
        let dialect = target.url.dialect();
        let sizes = match &plan {
            Some(plan) => plan::sizes(&mut migrator, plan, dialect).await,
            None => BTreeMap::new(),
        };
        let locks = plan::Facts { dialect, sizes };
        let validation = migrator.validate().await?;
        let (of, database) = (target.name(), target.url.to_string());
        Ok(Self { of, database, health, status, entries, events, plan, refused, locks, validation })
    }

    /// What went wrong at least once, and what followed: the events of each such migration, oldest first.
    fn troubles(&self) -> Vec<(String, Vec<&Event>)> {
        let mut troubles: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            let Some(version) = &event.version else { continue };
            let of = troubles.entry(version.to_string()).or_default();
            if !of.is_empty() || is_trouble(event) {
                of.push(event);
            }
        }
        troubles.into_iter().filter(|(_, events)| !events.is_empty()).collect()
    }

    fn count(&self, standing: Standing) -> usize {
        self.status.standing(standing).count()
    }

    fn name_of(&self, version: &whimbrel::Version) -> &str {
        let known = self.status.migrations.iter().find(|migration| migration.version == *version);
        known.map_or("", |migration| &migration.name)
    }
}

fn is_trouble(event: &Event) -> bool {
    matches!(&*event.what, "failed" | "taken_over" | "stopped")
}
