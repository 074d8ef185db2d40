//! How the schema of a database differs from what its migrations make.

use std::fmt;

use whimbrel_core::Dialect;

use crate::backup::Right;
use crate::catalogue::compare::compare;
use crate::catalogue::model::{Catalogue, Named};
use crate::catalogue::tokens::tokens;
use crate::engine::Engine;
use crate::error::{ErrorKind, Result};
use crate::history::History;
use crate::identity::Identity;
use crate::plan::{self, Facts, Step};
use crate::scratch::rebuild::rebuild;
use crate::scratch::{Scratch, ScratchDatabase, reach, told};
use crate::settings::Settings;

/// What a comparison with a scratch database has found.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    pub(crate) differences: Vec<String>,
    pub(crate) unmanaged: Vec<String>,
    /// Why the schema was not compared.
    pub(crate) unbuilt: Option<Unbuilt>,
}

/// Why what the migrations make was not built.
#[derive(Debug)]
pub(crate) enum Unbuilt {
    /// What was passed in does not tell where a scratch database can be reached.
    Unreachable,
    Because(String),
}

impl From<String> for Unbuilt {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

impl fmt::Display for Unbuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => {
                "a connection that was passed in does not tell where a scratch database can be reached: pass a pool or a \
                 URL, or name one with `--scratch-url`"
            }
            Self::Because(why) => why,
        })
    }
}

/// Builds what the completed migrations make, and compares.
pub(crate) async fn drift(engine: &mut Engine<'_, '_>, history: &History) -> Result<Drift> {
    let mut drift = Drift::default();
    let found = match engine.driver.catalogue().await {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::Connection => return Err(error),
        Err(error) => {
            drift.unbuilt = Some(Unbuilt::Because(told(&error)));
            return Ok(drift);
        }
    };
    match expected((engine, history), &found, &mut drift).await {
        Ok(expected) => {
            let page = compare(&expected, &found);
            drift.differences = page.differences;
            drift.unmanaged.splice(0..0, page.unmanaged);
        }
        Err(why) => drift.unbuilt = Some(why),
    }
    Ok(drift)
}

async fn expected(
    (engine, history): (&mut Engine<'_, '_>, &History),
    found: &Catalogue,
    drift: &mut Drift,
) -> Result<Catalogue, Unbuilt> {
    let (set, dialect) = (engine.set, engine.driver.dialect());
    let application = &engine.identity.application;
    let facts = Facts { set, dialect, history, settings: engine.settings, application };
    let steps = plan::rebuilt(facts)?;
    if steps.is_empty() {
        return Ok(Catalogue::default());
    }
    // Nobody else is there, and what was applied is applied again.
    let settings = Settings { forbidden_by: None, ..engine.settings.clone() };
    let way = engine.settings.scratch.clone().unwrap_or_default();
    if way == ScratchDatabase::Never && dialect != Dialect::Sqlite {
        return Err("no scratch database is allowed".to_owned().into());
    }
    let neighbours = engine.driver.neighbours().await.map_err(|error| told(&error))?;
    for step in &steps {
        let reaches = step.script.as_deref().and_then(|script| reach::reaches_out(script, dialect, &neighbours));
        if let Some(what) = reaches {
            return Err(format!("{} reaches out of its database ({what}), and may not run twice", step.label()).into());
        }
    }
    let mut scratch = match way {
        ScratchDatabase::Url(url) if dialect != Dialect::Sqlite => named(&url, dialect).await?,
        _ => engine.driver.scratch().await?.ok_or(Unbuilt::Unreachable)?.sure().await?,
    };
    drift.unmanaged.append(&mut scratch.leftovers);
    let before = before(&steps, found);
    drift.unmanaged.extend(before.iter().map(|it| format!("{} {}", it.sort, it.name)));
    let built = build(&mut scratch, (&before, &steps), (&settings, engine.identity)).await;
    drift.unmanaged.extend(scratch.dispose().await);
    Ok(built?)
}

/// What the database had before its first script: no script names it, and others may need it.
fn before(steps: &[Step<'_>], found: &Catalogue) -> Vec<Named> {
    let texts: Vec<Vec<String>> =
        steps.iter().filter_map(|step| Some(tokens(step.script.as_deref()?.text()))).collect();
    let is_named = |it: &&Named| {
        let name = it.name.to_lowercase();
        // `CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION …`
        let names = |window: &[String]| window[0] == it.sort && window[1..].contains(&name);
        texts.iter().any(|words| (0..words.len()).any(|at| names(&words[at..words.len().min(at + 6)])))
    };
    let prior = found.objects.keys().filter(|it| matches!(it.sort, "extension" | "schema"));
    // An extension may stand in a schema of its own.
    let mut prior: Vec<Named> = prior.filter(|it| !is_named(it)).cloned().collect();
    prior.sort_by_key(|it| it.sort == "extension");
    prior
}

/// The catalogue of what the steps make.
async fn build(
    scratch: &mut Scratch,
    (before, steps): (&[Named], &[Step<'_>]),
    of: (&Settings, &Identity),
) -> Result<Catalogue, String> {
    scratch.driver.use_history_table(of.0.history_table.unqualified());
    scratch.driver.prepare(before).await.map_err(|error| told(&error))?;
    rebuild(&mut *scratch.driver, steps, of).await?;
    scratch.driver.catalogue().await.map_err(|error| told(&error))
}

/// The database that somebody has named: it must be empty, and is emptied afterwards.
async fn named(url: &str, dialect: Dialect) -> Result<Scratch, String> {
    let mut driver = crate::database::open(url).map_err(|error| format!("the scratch database: {}", told(&error)))?;
    if driver.dialect() != dialect {
        return Err(format!("the scratch database is one of {}, not of {dialect}", driver.dialect()));
    }
    // From the look to the end: who finds it empty as well would empty what we build.
    let right = driver.backup_right().await.map_err(|error| format!("the scratch database: {}", told(&error)))?;
    let Right::Granted(right) = right else {
        driver.release().await;
        return Err("somebody else uses the scratch database: try again, or name another one".to_owned());
    };
    let found = driver.catalogue().await.map_err(|error| format!("the scratch database: {}", told(&error)))?;
    let history = driver.history(crate::driver::Detail::Entries).await;
    let has_history = history.as_ref().map_or(true, |history| history.present);
    if !found.is_empty() || has_history {
        let first = found.tables.keys().next().map(|name| format!("table {name}"));
        let first = first.or_else(|| found.objects.keys().next().map(|it| format!("{} {}", it.sort, it.name)));
        let what = first.unwrap_or_else(|| "a history".to_owned());
        driver.release().await;
        right.release().await;
        return Err(format!("the scratch database is not empty, it has {what}: name an empty one"));
    }
    let url = url.to_owned();
    let made = super::Made::new("what was made in the scratch database".to_owned(), move || {
        Box::pin(async move {
            let mut driver = crate::database::open(&url)?;
            let emptied = driver.empty().await;
            driver.release().await;
            right.release().await;
            emptied
        })
    });
    Ok(Scratch { driver, made: Some(made), leftovers: Vec::new() })
}
