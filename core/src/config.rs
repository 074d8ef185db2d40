//! From the text of `whimbrel.toml` to a [`Config`].

use toml::de::DeValue;

use crate::glob::Glob;
use crate::layout::{LAYOUTS, Layout};
use crate::settings::{Settings, one_of, text};
use crate::{Dialect, Problem, Version};

/// The file beside the migrations.
pub(crate) const FILE: &str = "whimbrel.toml";

/// What `whimbrel.toml` says; `None` where it says nothing.
#[derive(Default)]
pub(crate) struct Config {
    /// What a plain `.sql` is written in; the macro may say otherwise.
    pub(crate) dialect: Option<Plain>,
    /// Whether it may name a dialect, but that cannot be read.
    pub(crate) is_dialect_in_doubt: bool,
    /// Found from the versions, unless it is said.
    pub(crate) numbering: Option<Numbering>,
    /// Whether a sequence may have gaps.
    pub(crate) gaps: Leave,
    /// Whether each migration must have a down script, for each dialect.
    pub(crate) down: Need,
    /// Whether there must be a sum file.
    pub(crate) sum: Need,
    /// Whether files, and the set, may be empty.
    pub(crate) empty: Leave,
    /// Found from the names, unless it is said.
    pub(crate) layout: Option<&'static Layout>,
    /// The oldest version that a database may be at.
    pub(crate) minimum_supported: Option<Version>,
    /// Files that are none of ours.
    pub(crate) ignore: Vec<Glob>,
}

/// What a plain `.sql` is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plain {
    /// `dialect = "postgres"`.
    One(Dialect),
    /// `dialect = ["sqlite", "postgres"]`: in what these have in common; the set supports these and no others.
    All(Vec<Dialect>),
}

/// How versions follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// 1, 2, 3, without gaps.
    Sequence,
    /// Eight digits or more, such as `20250110120000`.
    Timestamp,
    /// Anything.
    Free,
}

impl Numbering {
    const NAMES: [(&str, Self); 3] =
        [("sequence", Self::Sequence), ("timestamp", Self::Timestamp), ("free", Self::Free)];
}

/// Whether something may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Leave {
    #[default]
    Deny,
    Allow,
}

impl Leave {
    const NAMES: [(&str, Self); 2] = [("deny", Self::Deny), ("allow", Self::Allow)];
}

/// Whether something must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Need {
    #[default]
    Optional,
    Require,
}

impl Need {
    const NAMES: [(&str, Self); 2] = [("optional", Self::Optional), ("require", Self::Require)];
}

const KEYS: [&str; 10] =
    ["dialect", "numbering", "gaps", "down", "sum", "empty", "layout", "minimum_supported", "ignore", "lint"];

/// Reads the file; whatever cannot be read is a problem, and as if it were not said.
pub(crate) fn read(written: &str, shown: &str) -> (Config, Vec<Problem>) {
    let mut settings = Settings::read(written, shown, &KEYS);
    let config = Config {
        dialect: settings.take("dialect", dialect),
        is_dialect_in_doubt: settings.is_in_doubt("dialect"),
        numbering: settings.take("numbering", |value| one_of(text(value, "\"sequence\"")?, &Numbering::NAMES)),
        gaps: settings.take("gaps", |value| one_of(text(value, "\"deny\"")?, &Leave::NAMES)).unwrap_or_default(),
        down: settings.take("down", |value| one_of(text(value, "\"require\"")?, &Need::NAMES)).unwrap_or_default(),
        sum: settings.take("sum", |value| one_of(text(value, "\"require\"")?, &Need::NAMES)).unwrap_or_default(),
        empty: settings.take("empty", |value| one_of(text(value, "\"deny\"")?, &Leave::NAMES)).unwrap_or_default(),
        layout: settings.take("layout", layout),
        minimum_supported: settings.take("minimum_supported", version),
        ignore: settings.take("ignore", ignore).unwrap_or_default(),
    };
    let _: Option<()> = settings.take("lint", |_| Err("delete it: it is kept for a later version of whimbrel".into()));
    (config, settings.problems())
}

fn dialect(value: &DeValue<'_>) -> Result<Plain, String> {
    let example = "write a dialect, such as `\"postgres\"`, or a list of those that the set supports";
    match value {
        DeValue::String(name) => one_dialect(name).map(Plain::One),
        DeValue::Array(names) if !names.is_empty() => {
            let dialect = |name: &toml::Spanned<DeValue<'_>>| one_dialect(name.get_ref().as_str().ok_or(example)?);
            names.iter().map(dialect).collect::<Result<_, _>>().map(Plain::All)
        }
        _ => Err(example.to_owned()),
    }
}

fn one_dialect(name: &str) -> Result<Dialect, String> {
    let known = Dialect::ALL.iter().flat_map(|dialect| dialect.names().iter().map(|name| (*name, *dialect)));
    one_of(name, &known.collect::<Vec<_>>())
}

fn layout(value: &DeValue<'_>) -> Result<&'static Layout, String> {
    one_of(text(value, "\"numbered\"")?, &LAYOUTS.map(|layout| (layout.name, layout)))
}

fn version(value: &DeValue<'_>) -> Result<Version, String> {
    let example = "\"1.1.0\"";
    text(value, example)?.parse().map_err(|_| format!("write a version, such as `{example}`"))
}

fn ignore(value: &DeValue<'_>) -> Result<Vec<Glob>, String> {
    let example = || "write a list of patterns, such as `[\"seeds/**\", \"*.txt\"]`".to_owned();
    let DeValue::Array(patterns) = value else { return Err(example()) };
    patterns.iter().map(|pattern| pattern.get_ref().as_str().map(Glob::new).ok_or_else(example)).collect()
}
