//! `000001_init.up.sql`, `000001_init.postgres.sql`, `1.1.0_enhanced.up.cql`, `0007.sql`.

use super::leading::leading;
use super::rename::{Style, Wording};
use super::suffixes::{self, Suffixes};
use super::{FileName, Layout, Misnamed, Reading};
use crate::{Direction, Version};

pub(super) static LAYOUT: Layout = Layout { name: "numbered", example: "0001_init.up.sql", read, write };

fn read(path: &str) -> Reading {
    if path.contains('/') {
        return Reading::Foreign;
    }
    let Some((stem, suffixes, fault)) = suffixes::split(path) else { return Reading::Foreign };
    let parsed = match fault {
        Some(fault) => Err(fault),
        None => version_and_name(stem).map_err(str::to_owned),
    };
    match parsed {
        Ok((version, name)) => Reading::Script(file_name(version, name, &suffixes)),
        Err(fault) => Reading::Misnamed(Misnamed { fault, meant: Wording::meant(stem, &suffixes) }),
    }
}

/// Splits `0001_init`; a version alone has an empty name.
pub(super) fn version_and_name(stem: &str) -> Result<(Version, &str), &'static str> {
    let (version, rest) = leading(stem).ok_or("does not begin with a version and `_`")?;
    match rest.strip_prefix('_') {
        None if rest.is_empty() => Ok((version, "")),
        None => Err("does not begin with a version and `_`"),
        Some("") => Err("has no name after its version"),
        // `V1__init.sql` is of a layout of its own, where `_` belongs to the version.
        Some(name) if name.starts_with('_') => Err("has two `_` after its version"),
        Some(name) => Ok((version, name)),
    }
}

fn file_name(version: Version, name: &str, suffixes: &Suffixes) -> FileName {
    FileName {
        version,
        name: name.to_owned(),
        task: None,
        folder: None,
        direction: suffixes.direction.unwrap_or(Direction::Up),
        dialect: suffixes.dialect,
        transaction: suffixes.transaction,
        language: suffixes.language,
    }
}

fn write(meant: &Wording, style: &Style) -> String {
    let direction = match meant.direction {
        None | Some(Direction::Up) => style.up.or(meant.direction),
        other => other,
    };
    format!("{}{}", meant.stem(style), meant.ending(direction))
}
