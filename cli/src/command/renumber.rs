//! `renumber`: after a merge, two migrations have one version; those that no database has run get the next ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use whimbrel::__private::count;
use whimbrel_core::load::load_names;
use whimbrel_core::names::{Named, Names};
use whimbrel_core::{nearest::nearest, sum};

use crate::answer::Answer;
use crate::arguments::Renumbering;
use crate::confirm::confirm;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::known::{self, Known};

pub(crate) async fn renumber(context: &Context<'_>, wanted: Renumbering) -> Result<Answer, Failure> {
    let directory = context.directory(wanted.at.clone());
    let folder = Path::new(&directory);
    let names = load_names(folder, &directory).map_err(|problems| Failure::of_problems(Exit::Failed, &problems))?;
    let Some(first) = collisions(&names).into_iter().next() else {
        let screen = format!("{directory}: each version is there once; nothing to do");
        return Ok(Answer::new(screen, json!({ "renamed": [], "sum": null })));
    };
    if names.layout() == "manifest" {
        let sentence = format!("version {} is taken twice, and a manifest says its version itself", first[0].version());
        return Err(
            Failure::new(Exit::Refused, sentence).help("rename one of the folders, and write its `CurrVersion`")
        );
    }
    let keep = kept_by_name(&names, &wanted.keep)?;
    let mut sources = vec![Known::new("`--keep`", keep)];
    sources.extend(known::history(context).await?);
    sources.extend(known::repository(folder, wanted.base.as_deref())?);
    sources.extend(known::recorded(folder));
    let plan = plan(&names, &sources, &directory)?;
    check_free(folder, &plan)?;

    let shown = shown(&plan);
    confirm(&shown, "rename them?", &wanted.asking, context.form)?;
    for (from, to) in plan.iter().rev().flat_map(|step| &step.paths) {
        fs::rename(folder.join(from), folder.join(to)).map_err(|error| {
            let failure = Failure::new(Exit::Failed, format!("`{from}` cannot be renamed to `{to}`: {error}"));
            failure.help("mend the cause and run it again: what is renamed already stays so")
        })?;
    }
    let written = match folder.join(sum::FILE).exists() {
        true => Some(super::sum::write(&directory, context.options.dialect)?.0),
        false => None,
    };
    let renamed: Vec<_> = plan.iter().flat_map(|step| &step.paths).collect();
    let value = json!({
        "renamed": renamed.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect::<Vec<_>>(),
        "sum": written,
    });
    let then = written.map(|path| format!("\n{path}: written")).unwrap_or_default();
    Ok(Answer::new(format!("{shown}renamed {}{then}", count(plan.len(), "migration")), value))
}

/// A migration that gets another version.
struct Step<'a> {
    named: &'a Named,
    paths: Vec<(String, String)>,
    version: String,
    /// Who keeps the version, and how that is known; none for one that only follows.
    because: Option<(&'a Named, &'static str)>,
}

/// The migrations that claim one version, for each such version.
fn collisions(names: &Names) -> Vec<&[Named]> {
    names.migrations().chunk_by(|a, b| a.version() == b.version()).filter(|same| same.len() > 1).collect()
}

/// Who gets which version.
///
/// What came with a migration that moves, and follows it, moves too: its order may matter.
fn plan<'a>(names: &'a Names, sources: &[Known], directory: &str) -> Result<Vec<Step<'a>>, Failure> {
    let mut moved: BTreeSet<&str> = BTreeSet::new();
    let mut because = Vec::new();
    let mut used: Vec<&Known> = Vec::new();
    for same in collisions(names) {
        let knows = |source: &&Known| same.iter().filter(|named| source.knows(named)).count() == 1;
        let Some(source) = sources.iter().find(knows) else { return Err(undecided(same, directory)) };
        let Some(keeper) = same.iter().find(|named| source.knows(named)) else { continue };
        if let Some(applied) = refused(same, keeper, sources) {
            return Err(applied);
        }
        for named in same.iter().filter(|named| !source.knows(named)) {
            moved.insert(id(named));
            because.push((id(named), keeper, source.is));
        }
        used.push(source);
    }
    let first = collisions(names).first().map(|same| same[0].version());
    let is_told = |source: &&&Known| source.is_whole();
    let whole: Vec<&&Known> = used.iter().filter(is_told).collect();
    let follows = |named: &&Named| {
        Some(named.version()) > first && !whole.is_empty() && !sources.iter().any(|source| source.knows(named))
    };
    moved.extend(names.migrations().iter().filter(follows).map(id));
    let versions = names.after(names.migrations().iter().filter(|named| !moved.contains(id(named))));
    let moving = names.migrations().iter().filter(|named| moved.contains(id(named)));
    let step = |(named, version): (&'a Named, String)| Step {
        named,
        paths: named.renumbered(&version),
        because: because.iter().find(|(it, ..)| *it == id(named)).map(|&(_, keeper, is)| (keeper, is)),
        version,
    };
    Ok(moving.zip(versions).map(step).collect())
}

/// What tells a migration from all others.
fn id(named: &Named) -> &str {
    named.files().next().unwrap_or_default()
}

/// The user would keep one, but another is applied.
fn refused(same: &[Named], keeper: &Named, sources: &[Known]) -> Option<Failure> {
    let history = sources.iter().find(|source| source.is == known::HISTORY)?;
    let applied = same.iter().find(|named| history.knows(named) && id(named) != id(keeper))?;
    let sentence = format!("`{}` is applied: it keeps its version; nothing was renamed", id(applied));
    Some(Failure::new(Exit::Refused, sentence).help(format!("write `--keep {}`", id(applied))))
}

fn undecided(same: &[Named], directory: &str) -> Failure {
    let files: Vec<String> = same.iter().map(|named| format!("`{}`", id(named))).collect();
    let sentence = format!(
        "version {} is taken by {}, and nothing tells which came first; nothing was renamed",
        same[0].version(),
        files.join(" and ")
    );
    let order = format!(
        "keep what a database has run: `migrate renumber --keep {}`; or name a branch that has one of them, \
         `--base main`, or the database, `--database-url`",
        whimbrel_core::migrations::join(directory, id(&same[0]))
    );
    Failure::new(Exit::Refused, sentence).help(order)
}

/// The migrations whose files the user names, by their paths or by what they are called.
fn kept_by_name(names: &Names, keep: &[String]) -> Result<BTreeSet<String>, Failure> {
    let files: Vec<&str> = names.migrations().iter().flat_map(Named::files).collect();
    let find = |written: &String| {
        let is_it = |file: &&&str| written == **file || written.ends_with(&format!("/{file}"));
        if let Some(found) = files.iter().find(is_it) {
            return Ok((*found).to_owned());
        }
        let failure =
            Failure::new(Exit::Refused, format!("there is no migration file `{written}`; nothing was renamed"));
        let last = written.rsplit('/').next().unwrap_or(written);
        Err(match nearest(last, files.iter().copied()) {
            Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
            None => failure.help("name a file of the migration that keeps its version"),
        })
    };
    keep.iter().map(find).collect()
}

/// Nothing is overwritten.
fn check_free(folder: &Path, plan: &[Step<'_>]) -> Result<(), Failure> {
    let leaves: BTreeSet<&String> = plan.iter().flat_map(|step| &step.paths).map(|(from, _)| from).collect();
    let is_taken = |to: &&String| !leaves.contains(to) && folder.join(to).exists();
    match plan.iter().flat_map(|step| &step.paths).map(|(_, to)| to).find(is_taken) {
        None => Ok(()),
        Some(taken) => {
            let failure = Failure::new(Exit::Refused, format!("`{taken}` is there already; nothing was renamed"));
            Err(failure.help("move it out first"))
        }
    }
}

fn shown(plan: &[Step<'_>]) -> String {
    let mut shown = String::new();
    for step in plan {
        let why = match step.because {
            Some((keeper, is)) => format!("{is} has `{}`", id(keeper)),
            None => "follows those".to_owned(),
        };
        shown.push_str(&format!(
            "{} {} is {} from now on: {why}\n",
            step.named.version(),
            step.named.name(),
            step.version
        ));
        for (from, to) in &step.paths {
            shown.push_str(&format!("  {from} -> {to}\n"));
        }
    }
    shown
}
