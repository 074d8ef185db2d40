//! How the schema of a database differs from what its migrations make.

use whimbrel_core::Dialect;

use crate::catalogue::compare::compare;
use crate::catalogue::model::Catalogue;
use crate::engine::Engine;
use crate::error::Result;
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
    pub(crate) unchecked: Option<String>,
}

/// Builds what the completed migrations make, and compares.
pub(crate) async fn drift(engine: &mut Engine<'_, '_>, history: &History) -> Result<Drift> {
    let found = engine.driver.catalogue().await?;
    let mut drift = Drift::default();
    match expected(engine, history, &mut drift).await {
        Ok(expected) => {
            let page = compare(&expected, &found);
            drift.differences = page.differences;
            drift.unmanaged.extend(page.unmanaged);
        }
        Err(why) => drift.unchecked = Some(format!("the schema: {why}")),
    }
    Ok(drift)
}

async fn expected(engine: &mut Engine<'_, '_>, history: &History, drift: &mut Drift) -> Result<Catalogue, String> {
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
        return Err("no scratch database is allowed".to_owned());
    }
    let neighbours = engine.driver.neighbours().await.map_err(|error| told(&error))?;
    for step in &steps {
        let reaches = step.script.as_deref().and_then(|script| reach::reaches_out(script, dialect, &neighbours));
        if let Some(what) = reaches {
            return Err(format!("{} reaches out of its database ({what}), and may not run twice", step.label()));
        }
    }
    let mut scratch = match way {
        ScratchDatabase::Url(url) if dialect != Dialect::Sqlite => named(&url, dialect).await?,
        _ => engine.driver.scratch().await?,
    };
    drift.unmanaged.append(&mut scratch.leftovers);
    let built = build(&mut scratch, &steps, (&settings, engine.identity)).await;
    drift.unmanaged.extend(scratch.dispose().await);
    built
}

/// The catalogue of what the steps make.
async fn build(scratch: &mut Scratch, steps: &[Step<'_>], of: (&Settings, &Identity)) -> Result<Catalogue, String> {
    scratch.driver.use_history_table(of.0.history_table.unqualified());
    rebuild(&mut *scratch.driver, steps, of).await?;
    scratch.driver.catalogue().await.map_err(|error| told(&error))
}

/// The database that somebody has named: it must be empty, and is emptied afterwards.
async fn named(url: &str, dialect: Dialect) -> Result<Scratch, String> {
    let mut driver = crate::database::open(url).map_err(|error| format!("the scratch database: {}", told(&error)))?;
    if driver.dialect() != dialect {
        return Err(format!("the scratch database is one of {}, not of {dialect}", driver.dialect()));
    }
    let found = driver.catalogue().await.map_err(|error| format!("the scratch database: {}", told(&error)))?;
    let history = driver.history(crate::driver::Detail::Entries).await;
    let has_history = history.as_ref().map_or(true, |history| history.present);
    if !found.is_empty() || has_history {
        let first = found.tables.keys().next().map(|name| format!("table {name}"));
        let first = first.or_else(|| found.objects.keys().next().map(|it| format!("{} {}", it.sort, it.name)));
        let what = first.unwrap_or_else(|| "a history".to_owned());
        driver.release().await;
        return Err(format!("the scratch database is not empty, it has {what}: name an empty one"));
    }
    let url = url.to_owned();
    let made = super::Made::new("what was made in the scratch database".to_owned(), move || {
        Box::pin(async move {
            let mut driver = crate::database::open(&url)?;
            let emptied = driver.empty().await;
            driver.release().await;
            emptied
        })
    });
    Ok(Scratch { driver, made: Some(made), leftovers: Vec::new() })
}
