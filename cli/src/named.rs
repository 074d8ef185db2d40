//! From what a person writes to the migration that they mean.

use whimbrel::{Migration, Migrations, Rollback, Target, Version};
use whimbrel_core::nearest::nearest;

use crate::arguments::{Down, Up};
use crate::exit::Exit;
use crate::failure::Failure;

/// How far up.
///
/// # Errors
/// No migration is called that; the nearest name is told.
pub(crate) fn target(migrations: &Migrations, up: &Up) -> Result<Target, Failure> {
    if let Some(version) = &up.to {
        return Ok(Target::Version(version.clone()));
    }
    if let Some(steps) = up.steps {
        return Ok(Target::Steps(steps));
    }
    let Some(until) = &up.until else { return Ok(Target::Latest) };
    match steps(until, migrations)? {
        Some(steps) => Ok(Target::Steps(steps)),
        None => Ok(Target::Version(migration(migrations, until)?.version().clone())),
    }
}

/// What to roll back; the history may know names that the set does not.
///
/// # Errors
/// A number could be a version as well.
pub(crate) fn rollback(migrations: &Migrations, down: &Down) -> Result<Rollback, Failure> {
    if down.all {
        return Ok(Rollback::All);
    }
    if let Some(version) = &down.to {
        return Ok(Rollback::To(version.clone()));
    }
    if let Some(task) = &down.task {
        return Ok(Rollback::Task(task.clone()));
    }
    let Some(what) = &down.what else { return Ok(Rollback::Steps(down.steps.unwrap_or(1))) };
    match steps(what, migrations)? {
        Some(steps) => Ok(Rollback::Steps(steps)),
        None => Ok(Rollback::Name(migration(migrations, what).map_or_else(|_| stem(what).to_owned(), label))),
    }
}

/// A number of steps: a plain number that is not larger than the set. `0003` and `20240115100000` are versions.
///
/// # Errors
/// A file writes its version just so.
fn steps(text: &str, migrations: &Migrations) -> Result<Option<usize>, Failure> {
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|&number| is_plain && number <= migrations.len());
    let version = migrations.iter().find(|migration| migration.version().as_written() == text);
    match version.filter(|_| number.is_some()) {
        Some(version) => {
            let help = format!("write `{}` for the version, or `--steps {text}`", label(version));
            Err(Failure::new(Exit::Usage, format!("`{text}` is a number of steps and a version")).help(help))
        }
        None => Ok(number),
    }
}

/// A version that the set or only the history knows.
///
/// # Errors
/// It is neither a version nor the name of a migration.
pub(crate) fn version(migrations: &Migrations, text: &str) -> Result<Version, Failure> {
    match text.parse::<Version>() {
        Ok(version) => Ok(migrations.get(&version).map_or(version, |known| known.version().clone())),
        Err(_) => Ok(migration(migrations, text)?.version().clone()),
    }
}

/// The migration of a version, a name, or both: `0004`, `add_email`, `0004_add_email`, or the path of its file.
///
/// # Errors
/// None is called that, or several are.
pub(crate) fn migration<'m>(migrations: &'m Migrations, text: &str) -> Result<&'m Migration, Failure> {
    if let Some(found) = text.parse::<Version>().ok().and_then(|version| migrations.get(&version)) {
        return Ok(found);
    }
    let stem = stem(text);
    let is_it = |it: &&Migration| {
        it.name() == stem || label(it) == stem || begins_with(it, stem) || is_file(migrations, it, text)
    };
    let found: Vec<&Migration> = migrations.iter().filter(is_it).collect();
    match found[..] {
        [found] => Ok(found),
        [] => {
            let failure = Failure::new(Exit::Refused, format!("there is no migration `{text}`; nothing was run"));
            let names: Vec<String> = migrations.iter().flat_map(|it| [it.name().to_owned(), label(it)]).collect();
            Err(match (nearest(stem, names.iter().map(String::as_str)), migrations.iter().next(), migrations.last()) {
                (Some(nearest), ..) => failure.help(format!("did you mean `{nearest}`?")),
                (None, Some(first), Some(last)) => {
                    failure.help(format!("name one of {} to {}", label(first), label(last)))
                }
                _ => failure.help("the set is empty: write a migration first"),
            })
        }
        [..] => {
            let labels: Vec<String> = found.iter().map(|it| label(it)).collect();
            let sentence = format!("{} migrations are called `{text}`; nothing was run", found.len());
            Err(Failure::new(Exit::Refused, sentence).help(format!("name one of {}", labels.join(", "))))
        }
    }
}

/// `0004_add_email` of `migrations/0004_add_email.up.sql`.
fn stem(text: &str) -> &str {
    let name = text.rsplit('/').next().unwrap_or(text);
    let is_file = name.ends_with(".sql") || name.ends_with(".cql");
    let cut = name.find('.').filter(|_| is_file).unwrap_or(name.len());
    &name[..cut]
}

fn label(migration: &Migration) -> String {
    format!("{}_{}", migration.version(), migration.name())
}

/// The path of one of its files, below the directory or with it; of a file that stands alone its name without direction.
fn is_file(migrations: &Migrations, migration: &Migration, text: &str) -> bool {
    migration.scripts().iter().any(|script| {
        let name = script.path().rsplit('/').next().unwrap_or_default();
        let begins = name.strip_prefix(text).is_some_and(|rest| rest.starts_with(['_', '.']));
        script.path() == text || migrations.path_of(script) == text || begins
    })
}

/// `4_add_email` names `0004_add_email`.
fn begins_with(migration: &Migration, text: &str) -> bool {
    text.split_once('_').is_some_and(|(version, name)| {
        name == migration.name() && version.parse::<Version>().is_ok_and(|version| version == *migration.version())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Migrations {
        let files = ["0001_init.up.sql", "0002_add_email.up.sql", "0003_orders.up.sql", "0004_orders.up.sql"];
        Migrations::from_files(files.map(|file| (file, &b"select 1;"[..]))).unwrap()
    }

    #[test]
    fn a_target_is_a_number_of_steps_or_a_migration() {
        let set = set();
        let version = |text: &str| Target::Version(text.parse().unwrap());
        for (text, meant) in [
            ("2", Target::Steps(2)),
            ("0002", version("2")),
            ("add_email", version("2")),
            ("0002_add_email", version("2")),
            ("2_add_email", version("2")),
            ("migrations/0002_add_email.up.sql", version("2")),
        ] {
            let up = Up { until: Some(text.to_owned()), to: None, steps: None };
            assert_eq!(target(&set, &up).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_the_nearest() {
        let set = set();
        for (text, told) in [
            (
                "add_emial",
                "error[refused]: there is no migration `add_emial`; nothing was run\n  help: did you mean `add_email`?",
            ),
            (
                "5",
                "error[refused]: there is no migration `5`; nothing was run\n  help: name one of 0001_init to 0004_orders",
            ),
            (
                "orders",
                "error[refused]: 2 migrations are called `orders`; nothing was run\n  help: name one of 0003_orders, 0004_orders",
            ),
        ] {
            let up = Up { until: Some(text.to_owned()), to: None, steps: None };
            assert_eq!(target(&set, &up).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn a_number_that_is_also_a_version_is_asked_about() {
        let files = ["1_a.up.sql", "2_b.up.sql", "3_c.up.sql"];
        let set = Migrations::from_files(files.map(|file| (file, &b"select 1;"[..]))).unwrap();
        let up = |until: Option<&str>, steps| Up { until: until.map(str::to_owned), to: None, steps };
        let told = target(&set, &up(Some("2"), None)).unwrap_err().to_string();
        let expected =
            "error[usage]: `2` is a number of steps and a version\n  help: write `2_b` for the version, or `--steps 2`";
        assert_eq!(told, expected);
        assert_eq!(target(&set, &up(Some("2_b"), None)).unwrap(), Target::Version("2".parse().unwrap()));
        assert_eq!(target(&set, &up(None, Some(2))).unwrap(), Target::Steps(2));
    }

    #[test]
    fn the_path_of_a_file_names_its_migration_in_each_layout() {
        for (file, names) in [
            (
                "2026-01-10/0001-TASK-123-create-users_up.sql",
                &["2026-01-10/0001-TASK-123-create-users_up.sql", "0001-TASK-123-create-users"][..],
            ),
            ("0001_init/up.sql", &["0001_init/up.sql", "0001_init"]),
            ("0001_init.up.sql", &["0001_init.up.sql", "migrations/0001_init.up.sql", "0001_init", "init"]),
        ] {
            let set = Migrations::from_files([(file, &b"select 1;"[..])]).unwrap();
            for name in names {
                assert!(migration(&set, name).is_ok(), "{name}");
            }
        }
    }
}
