//! Which of the migrations of a directory others have already.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use whimbrel::{Migrations, Migrator};
use whimbrel_core::names::Named;
use whimbrel_core::sum;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// What somebody knows of the migrations.
#[derive(Debug)]
pub(crate) struct Known {
    /// Who knows them, to be read before "has".
    pub(crate) is: &'static str,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Files that the user names: nothing is said of the others.
    Kept(BTreeSet<String>),
    /// Paths of files below the directory.
    Files(BTreeSet<String>),
    /// Canonical versions with names.
    Applied(BTreeSet<(String, String)>),
}

pub(crate) const HISTORY: &str = "the database";

impl Known {
    pub(crate) fn new(is: &'static str, kept: BTreeSet<String>) -> Self {
        Self { is, what: What::Kept(kept) }
    }

    pub(crate) fn knows(&self, named: &Named) -> bool {
        match &self.what {
            What::Kept(files) | What::Files(files) => named.files().any(|file| files.contains(file)),
            What::Applied(entries) => entries.contains(&(named.version().canonical(), named.name().to_owned())),
        }
    }

    /// Whether it says something of all migrations.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self.what, What::Kept(_))
    }
}

/// What is applied, where a database is named.
///
/// # Errors
/// It cannot be asked.
pub(crate) async fn history(context: &Context<'_>) -> Result<Option<Known>, Failure> {
    let Some((url, settings)) = context.database()? else { return Ok(None) };
    // The set itself does not load: its versions collide.
    let nothing: [(&str, &[u8]); 1] = [("whimbrel.toml", b"empty = \"allow\"")];
    let empty = Migrations::from_files(nothing).map_err(|problems| Failure::of_problems(Exit::Failed, &problems))?;
    let status = Migrator::connect(&empty, url.reveal())?.settings(settings).status().await?;
    let entry = |it: &whimbrel::MigrationStatus| (it.version.canonical(), it.name.to_string());
    Ok(Some(Known { is: HISTORY, what: What::Applied(status.migrations.iter().map(entry).collect()) }))
}

/// What the branches of a git repository have, the surest first.
///
/// # Errors
/// The branch that the user names is none.
pub(crate) fn repository(folder: &Path, base: Option<&str>) -> Result<Vec<Known>, Failure> {
    let mut found = Vec::new();
    match base {
        Some(base) => {
            let files = tracked(folder, base).ok_or_else(|| {
                Failure::new(Exit::Refused, format!("git knows no branch or commit `{base}`; nothing was renamed"))
                    .help("name one that has the migrations which keep their versions, such as `origin/main`")
            })?;
            found.push(Known { is: "`--base`", what: What::Files(files) });
        }
        None => {
            const MAIN: [(&str, &str); 5] = [
                ("origin/HEAD", "origin/HEAD"),
                ("origin/main", "origin/main"),
                ("origin/master", "origin/master"),
                ("main", "the branch main"),
                ("master", "the branch master"),
            ];
            let main = MAIN.into_iter().find_map(|(branch, is)| Some((tracked(folder, branch)?, is)));
            found.extend(main.map(|(files, is)| Known { is, what: What::Files(files) }));
        }
    }
    found.extend(tracked(folder, "HEAD").map(|files| Known { is: "the last commit", what: What::Files(files) }));
    Ok(found)
}

/// The files of a commit below the folder, relative to it; `None` without git, or without that commit.
fn tracked(folder: &Path, commit: &str) -> Option<BTreeSet<String>> {
    let commit = format!("{commit}^{{commit}}");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let commit = String::from_utf8(git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?).ok()?;
    // Without a path it lists what lies below the folder that it stands in, relative to that.
    let files = String::from_utf8(git(&["ls-tree", "-r", "-z", "--name-only", commit.trim()])?).ok()?;
    Some(files.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}

/// What `whimbrel.sum` records on both sides of a merge; what stands in a conflict is no help.
pub(crate) fn recorded(folder: &Path) -> Option<Known> {
    let text = std::fs::read_to_string(folder.join(sum::FILE)).ok()?;
    let mut is_conflict = false;
    let mut files = BTreeSet::new();
    for line in text.lines() {
        is_conflict |= line.starts_with("<<<<<<<");
        if !is_conflict {
            files.extend(line.splitn(3, ' ').nth(2).map(str::to_owned));
        }
        is_conflict &= !line.starts_with(">>>>>>>");
    }
    Some(Known { is: "whimbrel.sum", what: What::Files(files) })
}
