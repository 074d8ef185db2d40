use serde::{Serialize, Serializer};

use crate::history::Entry;
use crate::runner::Runner;
use crate::serialize::text;
use crate::status::{MigrationStatus, Standing, Status};

impl Serialize for Standing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Serialize)]
struct MigrationShape<'a> {
    version: &'a str,
    name: &'a str,
    task: Option<&'a str>,
    standing: Standing,
    entry: Option<&'a Entry>,
}

impl Serialize for MigrationStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = MigrationShape {
            version: text(&self.version),
            name: &self.name,
            task: self.task.as_deref(),
            standing: self.standing,
            entry: self.entry.as_ref(),
        };
        shape.serialize(serializer)
    }
}

#[derive(Serialize)]
struct StatusShape<'a> {
    current: Option<&'a str>,
    up_to_date: bool,
    minimum_supported: Option<&'a str>,
    history_table: &'a str,
    holder: Option<&'a Runner>,
    migrations: &'a [MigrationStatus],
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = StatusShape {
            current: self.current.as_ref().map(text),
            up_to_date: self.is_up_to_date(),
            minimum_supported: self.minimum_supported.as_ref().map(text),
            history_table: &self.history_table,
            holder: self.holder.as_ref(),
            migrations: &self.migrations,
        };
        shape.serialize(serializer)
    }
}
