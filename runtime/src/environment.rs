//! From environment variables to settings.

use std::ffi::OsString;
use std::time::Duration;

use whimbrel_core::duration::duration;
use whimbrel_core::nearest::nearest_within;

use crate::backup::Backup;
use crate::error::{Error, ErrorKind, Result};
use crate::refusal;
use crate::scratch::ScratchDatabase;
use crate::settings::{AllowDowngrade, Missing, Newer, OutOfOrder, Settings, ValidateSchema};

/// A variable without its prefix, what it takes, and what it sets. `Err` says why the value is none; only times, policies
/// and switches are repeated there, since anything else may be a secret that stands in the wrong variable.
struct Variable {
    name: &'static str,
    takes: &'static str,
    set: fn(Settings, &Given<'_>) -> Result<Settings, String>,
}

/// A variable as it was found.
struct Given<'v> {
    name: &'v str,
    value: &'v str,
}

const SWITCH: &str = "`true` or `false`";
const TIME: &str = "a time, such as `30s`, `5m` or `1500ms`";
const POLICY: &str = "`refuse` or `allow`";

const VARIABLES: [Variable; 15] = [
    Variable { name: "AUTO_MIGRATE", takes: SWITCH, set: auto_migrate },
    Variable { name: "VALIDATE_SCHEMA", takes: SWITCH, set: validate_schema },
    Variable { name: "ALLOW_DOWNGRADE", takes: SWITCH, set: allow_downgrade },
    Variable { name: "SCRATCH_URL", takes: "`create`, `never`, or the URL of an empty database", set: scratch },
    Variable { name: "MIGRATION_TIMEOUT", takes: TIME, set: |to, it| Ok(to.timeout(time(it)?)) },
    Variable { name: "LOCK_TIMEOUT", takes: TIME, set: |to, it| Ok(to.lock_timeout(time(it)?)) },
    Variable { name: "LEASE", takes: TIME, set: |to, it| Ok(to.lease(time(it)?)) },
    Variable { name: "STATEMENT_TIMEOUT", takes: TIME, set: |to, it| Ok(to.statement_timeout(time(it)?)) },
    Variable { name: "STATEMENT_LOCK_TIMEOUT", takes: TIME, set: |to, it| Ok(to.statement_lock_timeout(time(it)?)) },
    Variable { name: "HISTORY_TABLE", takes: "`table` or `schema.table`", set: history_table },
    Variable { name: "BACKUP_BEFORE_MIGRATION", takes: "a folder, or `off`", set: backup },
    Variable { name: "BACKUP_COMMAND", takes: "a command for the shell", set: backup_command },
    Variable { name: "OUT_OF_ORDER", takes: POLICY, set: out_of_order },
    Variable { name: "MISSING", takes: POLICY, set: missing },
    Variable { name: "NEWER", takes: "`refuse`, `allow-if-expanding` or `allow`", set: newer },
];

/// Lets the variables of the prefix win over the settings.
///
/// # Errors
/// All that is wrong with them.
pub(crate) fn read(mut settings: Settings, prefix: &str, all: Vec<(OsString, OsString)>) -> Result<Settings> {
    let prefix = prefix.trim_end_matches('_');
    if prefix.is_empty() {
        let error = Error::new(ErrorKind::Refused, "environment variables need a prefix");
        return Err(error.help("give one, such as `APP` for `APP_AUTO_MIGRATE`"));
    }
    let named = all.iter().filter_map(|(name, value)| Some((name.to_str()?, value)));
    let mut ours: Vec<(&str, &str, &OsString)> = named
        .filter_map(|(name, value)| Some((name, name.strip_prefix(prefix)?.strip_prefix('_')?, value)))
        .filter(|(.., value)| !value.is_empty())
        .collect();
    ours.sort_unstable();
    let mut faults = Vec::new();
    for (name, ending, value) in ours {
        match VARIABLES.iter().find(|variable| variable.name == ending) {
            Some(variable) => match variable.taken(settings.clone(), name, value) {
                Ok(taken) => settings = taken,
                Err(fault) => faults.push(fault),
            },
            None => faults.extend(slip(name, ending)),
        }
    }
    refusal::refuse(faults)?;
    Ok(settings)
}

impl Variable {
    fn taken(&self, settings: Settings, name: &str, value: &OsString) -> Result<Settings> {
        let given = value.to_str().map(|value| Given { name, value: value.trim() });
        let taken = given.ok_or_else(|| "is not UTF-8".to_owned()).and_then(|given| (self.set)(settings, &given));
        taken.map_err(|why| {
            Error::new(ErrorKind::Refused, format!("`{name}` {why}")).help(format!("give `{name}` {}", self.takes))
        })
    }
}

/// The application has variables of its own under the same prefix, so that only what is very near is a slip:
/// `APP_RELEASE` is not `APP_LEASE`.
fn slip(name: &str, ending: &str) -> Option<Error> {
    let known = VARIABLES.iter().map(|variable| variable.name);
    let meant = nearest_within(1 + ending.len() / 12, ending, known)?;
    let stem = &name[..name.len() - ending.len()];
    let error = Error::new(ErrorKind::Refused, format!("`{name}` is no setting, and near to one"));
    Some(error.help(format!("write `{stem}{meant}`, or give the settings another prefix")))
}

fn auto_migrate(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    let forbidden_by = match switch(given)? {
        Switch::On => None,
        Switch::Off => Some(format!("{}={}", given.name, given.value)),
    };
    Ok(Settings { forbidden_by, ..settings })
}

fn validate_schema(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    Ok(settings.validate_schema(match switch(given)? {
        Switch::On => ValidateSchema::On,
        Switch::Off => ValidateSchema::Off,
    }))
}

fn allow_downgrade(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    Ok(settings.allow_downgrade(match switch(given)? {
        Switch::On => AllowDowngrade::RollBack,
        Switch::Off => AllowDowngrade::Refuse,
    }))
}

fn scratch(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    Ok(settings.scratch_database(match given.value.to_ascii_lowercase().as_str() {
        "create" => ScratchDatabase::Create,
        "never" => ScratchDatabase::Never,
        url if url.contains(':') => ScratchDatabase::Url(given.value.to_owned()),
        _ => return Err("is no URL".to_owned()),
    }))
}

fn history_table(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    settings.history_table(given.value).map_err(|_| "cannot name a table".to_owned())
}

/// What is no path of a folder is a switch that means something else, or a word that was meant to be one.
fn backup(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    let backup = match switch(given) {
        Ok(Switch::Off) => Backup::off(),
        Ok(Switch::On) => return Err(format!("cannot be `{}`: it must say where to", given.value)),
        Err(_) => Backup::to_folder(given.value),
    };
    Ok(settings.backup_before_migration(backup))
}

/// The folder is read before it: the variables come in the order of their names.
fn backup_command(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    let backup = settings.backup.clone().and_command(given.value);
    Ok(settings.backup_before_migration(backup))
}

fn out_of_order(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    let policies = [("refuse", OutOfOrder::Refuse), ("allow", OutOfOrder::Allow)];
    Ok(settings.out_of_order(one_of(given, &policies)?))
}

fn missing(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    Ok(settings.missing(one_of(given, &[("refuse", Missing::Refuse), ("allow", Missing::Allow)])?))
}

fn newer(settings: Settings, given: &Given<'_>) -> Result<Settings, String> {
    let policies =
        [("refuse", Newer::Refuse), ("allow-if-expanding", Newer::AllowIfExpanding), ("allow", Newer::Allow)];
    Ok(settings.newer(one_of(given, &policies)?))
}

#[derive(Clone, Copy)]
enum Switch {
    On,
    Off,
}

fn switch(given: &Given<'_>) -> Result<Switch, String> {
    let on = ["true", "1", "yes", "on"].map(|name| (name, Switch::On));
    let off = ["false", "0", "no", "off"].map(|name| (name, Switch::Off));
    one_of(given, &[on, off].concat())
}

/// The value by its name, in any case, with `-` or `_`.
fn one_of<T: Copy>(given: &Given<'_>, values: &[(&str, T)]) -> Result<T, String> {
    let name = given.value.to_ascii_lowercase().replace('_', "-");
    let found = values.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| format!("cannot be `{}`", given.value))
}

/// A time as scripts have it; seconds need no unit.
fn time(given: &Given<'_>) -> Result<Duration, String> {
    let seconds = || duration(&format!("{}s", given.value));
    duration(given.value).or_else(seconds).ok_or_else(|| format!("cannot be `{}`", given.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::AutoMigrate;

    fn read_all(variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::default().with_variables("APP", variables.iter().copied())
    }

    #[test]
    fn each_variable_is_its_setter() {
        let seconds = Duration::from_secs;
        let none = Settings::default;
        for (name, value, expected) in [
            ("AUTO_MIGRATE", "on", none()),
            ("AUTO_MIGRATE", "1", none()),
            ("VALIDATE_SCHEMA", "TRUE", none().validate_schema(ValidateSchema::On)),
            ("VALIDATE_SCHEMA", "No", none()),
            ("ALLOW_DOWNGRADE", "true", none().allow_downgrade(AllowDowngrade::RollBack)),
            ("ALLOW_DOWNGRADE", "off", none()),
            ("SCRATCH_URL", "Never", none().scratch_database(ScratchDatabase::Never)),
            ("SCRATCH_URL", "create", none().scratch_database(ScratchDatabase::Create)),
            ("SCRATCH_URL", "sqlite:A", none().scratch_database(ScratchDatabase::Url("sqlite:A".to_owned()))),
            ("MIGRATION_TIMEOUT", "5m", none().timeout(seconds(300))),
            ("MIGRATION_TIMEOUT", "30", none().timeout(seconds(30))),
            ("LOCK_TIMEOUT", "1500ms", none().lock_timeout(Duration::from_millis(1500))),
            ("LEASE", " 1 h ", none().lease(seconds(3600))),
            ("STATEMENT_TIMEOUT", "7s", none().statement_timeout(seconds(7))),
            ("STATEMENT_LOCK_TIMEOUT", "3s", none().statement_lock_timeout(seconds(3))),
            ("HISTORY_TABLE", "app.schema_history", none().history_table("app.schema_history").unwrap()),
            ("BACKUP_BEFORE_MIGRATION", "/backups", none().backup_before_migration(Backup::to_folder("/backups"))),
            ("BACKUP_BEFORE_MIGRATION", "Off", none().backup_before_migration(Backup::off())),
            ("BACKUP_COMMAND", "snap; go", none().backup_before_migration(Backup::command("snap; go"))),
            ("OUT_OF_ORDER", "allow", none().out_of_order(OutOfOrder::Allow)),
            ("MISSING", "Allow", none().missing(Missing::Allow)),
            ("NEWER", "allow_if_expanding", none().newer(Newer::AllowIfExpanding)),
            ("NEWER", "", none()),
        ] {
            let given = format!("APP_{name}");
            assert_eq!(read_all(&[(&given, value)]).unwrap(), expected, "{name}={value}");
        }
        let names: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
        let documented = include_str!("settings.rs");
        assert!(names.iter().all(|name| documented.contains(&format!("`…_{name}`"))), "{names:?}");
    }

    #[test]
    fn a_cluster_has_variables_of_its_own_name() {
        let read = Settings::default().with_variables(
            "SCYLLADB",
            [
                ("SCYLLADB_AUTO_MIGRATE", "true"),
                ("SCYLLADB_MIGRATION_TIMEOUT", "300s"),
                ("SCYLLADB_VALIDATE_SCHEMA", "true"),
                ("SCYLLADB_ALLOW_DOWNGRADE", "true"),
            ],
        );
        let expected = Settings::default()
            .auto_migrate(AutoMigrate::On)
            .timeout(Duration::from_secs(300))
            .validate_schema(ValidateSchema::On)
            .allow_downgrade(AllowDowngrade::RollBack);
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn a_backup_command_works_in_the_folder_and_not_against_off() {
        let both = |folder| read_all(&[("APP_BACKUP_COMMAND", "snap"), ("APP_BACKUP_BEFORE_MIGRATION", folder)]);
        let backup = both("/backups").unwrap().backup;
        assert_eq!(backup, Backup::command("snap").in_folder("/backups"));
        assert!(!both("off").unwrap().backup.is_on());
        assert_eq!(
            both("true").unwrap_err().to_string(),
            "`APP_BACKUP_BEFORE_MIGRATION` cannot be `true`: it must say where to"
        );
    }

    #[test]
    fn who_forbids_to_migrate_is_remembered() {
        for off in ["false", "0", "NO", "off"] {
            let settings = read_all(&[("APP_AUTO_MIGRATE", off)]).unwrap();
            assert_eq!(settings.forbidden_by, Some(format!("APP_AUTO_MIGRATE={off}")));
            assert_eq!(settings.auto_migrate(AutoMigrate::On).forbidden_by, None);
        }
        let program = Settings::default().auto_migrate(AutoMigrate::Off);
        assert_eq!(program.with_variables("APP", [("APP_AUTO_MIGRATE", "yes")]).unwrap(), Settings::default());
    }

    #[test]
    fn what_the_environment_leaves_out_stays() {
        let program = Settings::default().lease(Duration::from_secs(7));
        let read = program.with_variables("APP_", [("APP_LOCK_TIMEOUT", "1s"), ("LEASE", "1s"), ("APPLE_LEASE", "1s")]);
        let expected = Settings::default().lease(Duration::from_secs(7)).lock_timeout(Duration::from_secs(1));
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let error = read_all(&[
            ("APP_NEWER", "maybe"),
            ("APP_LEASE", "0s"),
            ("APP_HISTORY_TABLE", "hunter2\"; drop"),
            ("APP_AUTO_MIGRAT", "false"),
            ("APP_AUTO_MIGRATE", "2"),
        ])
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let shown = "`APP_AUTO_MIGRAT` is no setting, and near to one\n\
                     `APP_AUTO_MIGRATE` cannot be `2`\n\
                     `APP_HISTORY_TABLE` cannot name a table\n\
                     `APP_LEASE` cannot be `0s`\n\
                     `APP_NEWER` cannot be `maybe`\n\
                     \u{20} help: write `APP_AUTO_MIGRATE`, or give the settings another prefix\n\
                     \u{20} help: give `APP_AUTO_MIGRATE` `true` or `false`\n\
                     \u{20} help: give `APP_HISTORY_TABLE` `table` or `schema.table`\n\
                     \u{20} help: give `APP_LEASE` a time, such as `30s`, `5m` or `1500ms`\n\
                     \u{20} help: give `APP_NEWER` `refuse`, `allow-if-expanding` or `allow`";
        assert_eq!(format!("{error:?}"), shown);
        assert!(Settings::from_env("").is_err());
    }

    #[test]
    fn an_applications_own_variables_are_none_of_ours() {
        for own in ["RELEASE", "OPERATION_TIMEOUT", "REGISTRATION_TIMEOUT", "LOG_TIMEOUT", "NEWS", "URL", "TIMEOUT", ""]
        {
            let name = format!("APP_{own}");
            assert!(read_all(&[(&name, "x")]).is_ok(), "{name}");
        }
        for slip in
            ["AUTOMIGRATE", "AUTO_MIGRAET", "MIGRATION_TIMOUT", "VALIDATE_SCHEMAS", "auto_migrate", "OUT_OF_ODER"]
        {
            let name = format!("APP_{slip}");
            assert!(read_all(&[(&name, "x")]).is_err(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let error = Settings::default().with_variables("APP", [("APP_LEASE", OsString::from_vec(vec![0xff]))]);
        assert_eq!(error.unwrap_err().to_string(), "`APP_LEASE` is not UTF-8");
    }
}
