//! `20240115100000_init/migration.sql`, `0001_init/up.sql` with `down.sql`, `verify.sql` and `metadata.toml`.

use super::leading::leading;
use super::numbered::version_and_name;
use super::rename::{Style, Wording, words};
use super::suffixes;
use super::{FileName, Layout, Misnamed, Reading};
use crate::Direction;
use crate::nearest::nearest;

pub(super) static LAYOUT: Layout = Layout { name: "folders", example: "0001_init/up.sql", read, write };

/// The scripts of a folder.
const FILES: [(&str, Direction); 4] =
    [("up", Direction::Up), ("down", Direction::Down), ("verify", Direction::Verify), ("migration", Direction::Up)];

fn read(path: &str) -> Reading {
    let Some((folder, file)) = path.split_once('/').filter(|(_, file)| !file.contains('/')) else {
        return Reading::Foreign;
    };
    if file == "metadata.toml" {
        return Reading::Companion;
    }
    // `up.postgres.sql` begins with what `0001_init.postgres.up.sql` ends with.
    let (first, rest) = file.split_once('.').unwrap_or((file, ""));
    let ending = format!("x.{rest}");
    let Some((stem, suffixes, fault)) = suffixes::split(&ending) else { return Reading::Foreign };
    let known = FILES.map(|(name, _)| name);
    let lower = first.to_ascii_lowercase();
    let Some(nearest) = known.into_iter().find(|name| *name == lower).or_else(|| nearest(&lower, known)) else {
        return Reading::Foreign;
    };
    let direction = FILES.iter().find(|(name, _)| *name == nearest).map(|(_, direction)| *direction);
    let fault = if stem != "x" || suffixes.direction.is_some() {
        Some("has a suffix that is no dialect and not `.autocommit`".to_owned())
    } else if nearest != first {
        Some(format!("is not called `{nearest}`"))
    } else {
        fault
    };
    let named = match fault {
        Some(fault) => Err(fault),
        None => version_and_name(folder).map_err(|fault| format!("stands in a folder that {fault}")),
    };
    match named {
        Err(fault) => {
            let meant = Wording { direction, ..meant(folder).with(&suffixes) };
            Reading::Misnamed(Misnamed { fault, meant })
        }
        Ok((version, name)) => Reading::Script(FileName {
            version,
            name: name.to_owned(),
            task: None,
            folder: None,
            direction: direction.unwrap_or(Direction::Up),
            dialect: suffixes.dialect,
            transaction: suffixes.transaction,
            language: suffixes.language,
        }),
    }
}

fn meant(folder: &str) -> Wording {
    let (version, name) = match leading(folder) {
        Some((version, rest)) => (Some(version.as_written().to_owned()), rest),
        None => (None, folder),
    };
    Wording { version, name: words(name, "_"), ..Wording::default() }
}

fn write(meant: &Wording, style: &Style) -> String {
    let direction = meant.direction.unwrap_or(Direction::Up);
    format!("{}/{direction}{}", meant.stem(style), meant.ending(None))
}
