//! Facts for the tests of the rules.

use whimbrel_core::{Dialect, Migrations};

use crate::driver::{Circumstances, Sizes};
use crate::history::{COLUMNS, Entry, History, Holder};
use crate::recommend::Advice;
use crate::recommend::facts::{Backup, Facts, SumFile, pending};
use crate::settings::Settings;

pub(crate) struct Example {
    pub(crate) set: Migrations,
    pub(crate) dialect: Dialect,
    pub(crate) history: History,
    pub(crate) settings: Settings,
    pub(crate) sizes: Sizes,
    pub(crate) found: Circumstances,
    pub(crate) sum_file: SumFile,
    pub(crate) backup: Backup,
}

/// Up scripts alone, `0001_m1.sql` and so on, all of them pending; `orders` is large, `rooms` is small.
pub(crate) fn example<const N: usize>(dialect: Dialect, scripts: [&str; N]) -> Example {
    let files = scripts.iter().enumerate().map(|(index, text)| {
        let number = index + 1;
        (format!("{number:04}_m{number}.sql"), text.as_bytes().to_vec())
    });
    let config = ("whimbrel.toml".to_owned(), format!("dialect = \"{}\"", dialect.name()).into_bytes());
    of(dialect, Migrations::from_files(files.chain([config])).unwrap_or_else(|problems| panic!("{problems}")))
}

pub(crate) fn of(dialect: Dialect, set: Migrations) -> Example {
    Example {
        set,
        dialect,
        history: History { present: true, holder: Holder::Nobody, ..History::default() },
        settings: Settings::default(),
        sizes: [("orders", 12_400_000), ("rooms", 3)].map(|(name, rows)| (name.to_owned(), rows)).into(),
        found: Circumstances::default(),
        sum_file: SumFile::Unknown,
        backup: Backup::Off,
    }
}

impl Example {
    /// The version is applied, and took so long.
    pub(crate) fn applied(mut self, version: usize, duration_ms: u64) -> Self {
        let columns = [
            ("version", version.to_string()),
            ("rank", version.to_string()),
            ("name", format!("m{version}")),
            ("kind", "sql".to_owned()),
            ("path", format!("migrations/{version:04}_m{version}.sql")),
            ("checksum", "ab".repeat(32)),
            ("state", "completed".to_owned()),
            ("statements", "1".to_owned()),
            ("applied", "1".to_owned()),
            ("started_at", "2026-11-18 15:55:49.000Z".to_owned()),
            ("completed_at", "2026-11-18 15:55:50.000Z".to_owned()),
            ("duration_ms", duration_ms.to_string()),
            ("applied_by", "deploy@web-1".to_owned()),
            ("application", "shop 2.4.0".to_owned()),
        ];
        let value = |name: &&str| columns.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        self.history.entries.push(Entry::from_row(COLUMNS.iter().map(value).collect()).unwrap());
        self
    }

    /// What a rule says, its reasons and its commands by turns.
    pub(crate) fn told(&self, rule: fn(&Facts<'_>) -> Vec<Advice>) -> Vec<String> {
        let facts = Facts {
            set: &self.set,
            dialect: self.dialect,
            history: &self.history,
            settings: &self.settings,
            pending: pending(&self.set, self.dialect, &self.history),
            sizes: self.sizes.clone(),
            found: self.found.clone(),
            sum_file: self.sum_file,
            backup: self.backup,
        };
        rule(&facts).into_iter().flat_map(|(reason, command)| [Some(reason), command]).flatten().collect()
    }
}
