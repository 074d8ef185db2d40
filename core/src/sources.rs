//! From the paths of a directory to the migrations that they name, and the files that say something about them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::{self, Config, Plain};
use crate::layout::{self, FileName, Layout, Misnamed, Reading, Style, Transaction, Wording};
use crate::listing::Listing;
use crate::manifest::{self, Manifest};
use crate::migrations::join;
use crate::nearest::nearest;
use crate::settings::Settings;
use crate::text::text;
use crate::{Dialect, Direction, Place, Problem, Version, sum};

/// Reads a file below the directory.
pub(crate) type Open<'a> = dyn Fn(&str) -> Result<Cow<'static, [u8]>, Problem> + Sync + 'a;

/// The files that make up a set, told apart.
pub(crate) struct Sources {
    pub(crate) config: Config,
    /// Every file that is read, sorted.
    pub(crate) files: Vec<String>,
    /// One for each version, lowest first.
    pub(crate) versions: Vec<Files>,
    /// The versions of misnamed files, which are not missing.
    pub(crate) misnamed: Vec<Version>,
    /// What the `metadata.toml` of a folder says about its transaction.
    pub(crate) transactions: BTreeMap<String, Transaction>,
    pub(crate) sum: Option<Cow<'static, str>>,
    pub(crate) naming: Naming,
    pub(crate) problems: Vec<Problem>,
}

impl Sources {
    /// Whether the dialect of plain scripts is said where it cannot be read, and nowhere else.
    pub(crate) fn is_dialect_unknown(&self) -> bool {
        self.config.is_dialect_in_doubt && self.config.dialect.is_none()
    }

    /// Whether a misnamed file may be of the same version, and so what is missing here.
    pub(crate) fn may_be_misnamed(&self, files: &Files) -> bool {
        self.misnamed.contains(&files.first().name.version)
    }
}

/// How the files of the set are named; for help.
pub(crate) struct Naming {
    pub(crate) layout: &'static Layout,
    pub(crate) style: Style,
}

impl Naming {
    /// The path of a script beside a file, as the set would name it.
    pub(crate) fn path(&self, beside: &File, direction: Direction, dialect: Option<Dialect>) -> String {
        // What an up script is called depends on the set.
        let direction = Some(direction).filter(|direction| *direction != Direction::Up);
        let wording = Wording { direction, dialect, ..Wording::of(&beside.name) };
        (self.layout.write)(&wording, &self.style)
    }
}

/// The files of one version: the up scripts first.
#[derive(Debug)]
pub(crate) struct Files(pub(crate) Vec<File>);

/// A file with a valid name.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) name: FileName,
    /// The files that a manifest names; none for a script, which is all in its own file.
    pub(crate) parts: Vec<String>,
}

impl File {
    /// The folder that it stands in; empty for the directory itself.
    pub(crate) fn parent(&self) -> &str {
        layout::parent(&self.path)
    }
}

impl Files {
    /// The files of a direction.
    pub(crate) fn of(&self, direction: Direction) -> impl Iterator<Item = &File> {
        self.0.iter().filter(move |file| file.name.direction == direction)
    }

    /// The file that names the migration: the first up script, if there is one.
    pub(crate) fn first(&self) -> &File {
        &self.0[0]
    }
}

/// What is found while the sources are told apart.
struct Search<'a> {
    shown: &'a str,
    problems: Vec<Problem>,
}

/// What the names of the files say.
struct Names<'p> {
    files: Vec<File>,
    companions: Vec<&'p str>,
    manifests: Vec<(&'p str, FileName)>,
    /// What a manifest may name.
    parts: Vec<&'p str>,
    misnamed: Vec<Version>,
    naming: Naming,
}

/// Tells the files apart; `dialect` overrides `whimbrel.toml`.
pub(crate) fn sources(listing: Listing, open: &Open<'_>, shown: &str, dialect: Option<Dialect>) -> Sources {
    let mut search = Search { shown, problems: Vec::new() };
    let mut config = search.config(&listing, open);
    // What whimbrel reads itself cannot be ignored: without the sum file, nothing would be checked, silently.
    let ignored = |path: &str| !is_read(path) && config.ignore.iter().any(|glob| glob.fits(path));
    search.problems.extend(listing.faults.into_iter().filter(|(path, _)| !ignored(path)).map(|(_, problem)| problem));
    let kept: Vec<&str> = listing.paths.iter().map(String::as_str).filter(|path| !ignored(path)).collect();
    let (known, candidates): (Vec<&str>, Vec<&str>) = kept.into_iter().partition(|path| is_known(path));
    let layout = search.layout(&config, &candidates);
    let mut names = search.names(layout, &candidates);
    search.manifests(&mut names, open);
    let transactions = search.metadata(&names.companions, &names.files, open);
    if config.dialect.is_none() && known.contains(&LOCK) {
        config.dialect = search.locked(open).map(Plain::One);
    }
    config.dialect = dialect.map(Plain::One).or(config.dialect);
    let sum = known.contains(&sum::FILE).then(|| search.text(sum::FILE, open)).flatten();
    let mut files: Vec<String> = names.files.iter().map(|file| file.path.clone()).collect();
    files.extend(names.files.iter().flat_map(|file| file.parts.iter().cloned()));
    files.extend(
        names.companions.iter().chain(known.iter().filter(|path| is_read(path))).map(|path| (*path).to_owned()),
    );
    files.sort_unstable();
    let Names { files: named, misnamed, naming, .. } = names;
    let (versions, problems) = (by_version(named), search.problems);
    Sources { config, files, versions, misnamed, transactions, sum, naming, problems }
}

/// Prisma's note of the database.
const LOCK: &str = "migration_lock.toml";

/// Whether it may lie beside the migrations of any layout.
fn is_known(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    is_read(path)
        || path.split('/').any(|part| part.starts_with('.'))
        || file.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("readme"))
}

/// Whether it is known and counts.
fn is_read(path: &str) -> bool {
    [config::FILE, sum::FILE, LOCK].contains(&path)
}

fn by_version(mut named: Vec<File>) -> Vec<Files> {
    named.sort_by(|a, b| {
        let key = |file: &'_ File| (file.name.direction, file.name.dialect);
        a.name.version.cmp(&b.name.version).then(key(a).cmp(&key(b))).then(a.path.cmp(&b.path))
    });
    let mut versions: Vec<Files> = Vec::new();
    for file in named {
        match versions.last_mut() {
            Some(last) if last.first().name.version == file.name.version => last.0.push(file),
            _ => versions.push(Files(vec![file])),
        }
    }
    versions
}

impl Search<'_> {
    /// The text of a known file; a file that cannot be read is a problem.
    fn text(&mut self, path: &str, open: &Open<'_>) -> Option<Cow<'static, str>> {
        let read = open(path).and_then(|bytes| text(bytes, &join(self.shown, path)));
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    fn config(&mut self, listing: &Listing, open: &Open<'_>) -> Config {
        let there = listing.paths.contains(config::FILE);
        let Some(text) = there.then(|| self.text(config::FILE, open)).flatten() else {
            return Config { is_dialect_in_doubt: there, ..Config::default() };
        };
        let (config, problems) = config::read(&text, &join(self.shown, config::FILE));
        self.problems.extend(problems);
        config
    }

    /// The layout that `whimbrel.toml` names, or the one that is found.
    fn layout(&mut self, config: &Config, paths: &[&str]) -> Option<&'static Layout> {
        if config.layout.is_some() {
            return config.layout;
        }
        let place =
            |problem: Problem| if self.shown.is_empty() { problem } else { problem.at(Place::file(self.shown)) };
        layout::find(paths).map_err(|problem| self.problems.push(place(problem))).ok()
    }

    /// Reads the names under the layout; without one, each under the layout that it has, so that the texts are checked.
    fn names<'p>(&mut self, layout: Option<&'static Layout>, paths: &[&'p str]) -> Names<'p> {
        let (mut files, mut companions, mut misnamed, mut foreign) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut manifests, mut parts) = (Vec::new(), Vec::new());
        for path in paths {
            match read(layout, path) {
                Reading::Script(name) => files.push(File { path: (*path).to_owned(), name, parts: Vec::new() }),
                Reading::Companion => companions.push(*path),
                Reading::Manifest(name) => manifests.push((*path, name)),
                Reading::Part => parts.push(*path),
                Reading::Misnamed(wrong) => misnamed.push((*path, wrong)),
                Reading::Foreign => foreign.push(*path),
            }
        }
        let meant = misnamed.iter().filter_map(|(_, wrong)| wrong.meant.version.as_ref()?.parse().ok());
        let meant: Vec<Version> = meant.collect();
        let named = files.iter().map(|file| (file.path.as_str(), &file.name));
        let style = Style::of(named.chain(manifests.iter().map(|(path, name)| (*path, name))), &meant);
        let mut naming = Naming { layout: layout.unwrap_or(layout::LAYOUTS[0]), style };
        for (path, wrong) in misnamed {
            // What lies beside a misnamed manifest is none the worse for it.
            parts.retain(|part| layout::parent(part) != layout::parent(path));
            self.misnamed(path, wrong, &mut naming);
        }
        for path in foreign {
            self.problems.push(self.unknown(path, naming.layout));
        }
        Names { files, companions, manifests, parts, misnamed: meant, naming }
    }

    /// Adds the scripts of the manifests to the files.
    fn manifests(&mut self, names: &mut Names<'_>, open: &Open<'_>) {
        let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in &names.parts {
            parts.entry(layout::parent(path)).or_default().push(path);
        }
        for (path, name) in std::mem::take(&mut names.manifests) {
            let beside = parts.remove(layout::parent(path)).unwrap_or_default();
            let version = name.version.clone();
            match self.text(path, open).and_then(|text| self.manifest(path, name, &text, &beside)) {
                Some(files) => names.files.extend(files),
                // Its version is there all the same.
                None => names.misnamed.push(version),
            }
        }
        for path in parts.into_values().flatten() {
            self.problems.push(self.without_manifest(path, names.naming.layout));
        }
    }

    fn without_manifest(&self, path: &str, layout: &Layout) -> Problem {
        if layout.name != layout::manifest::LAYOUT.name {
            return self.unknown(path, layout);
        }
        let message = format!("`{path}` has no manifest beside it");
        let help = format!("write `{}`, and name it there", join(layout::parent(path), layout::manifest::FILE));
        Problem::new("unknown-file", message).at(Place::file(join(self.shown, path))).help(help)
    }

    /// The script that a manifest makes of its files, and those of other directions beside it.
    fn manifest(&mut self, path: &str, name: FileName, text: &str, beside: &[&str]) -> Option<Vec<File>> {
        let lies = manifest::Lies { path, directory: self.shown, version: &name.version, beside };
        let Manifest { description, parts, others, problems } = manifest::read(text, &lies);
        self.problems.extend(problems);
        let dialect = manifest::dialect(parts.first()?);
        let other = |(path, direction): (String, Direction)| {
            let dialect = manifest::dialect(&path);
            File { path, name: FileName { direction, dialect, ..name.clone() }, parts: Vec::new() }
        };
        let mut files: Vec<File> = others.into_iter().map(other).collect();
        let says = if name.name.is_empty() { description } else { name.name.clone() };
        files.push(File { path: path.to_owned(), name: FileName { name: says, dialect, ..name }, parts });
        Some(files)
    }

    fn misnamed(&mut self, path: &str, mut wrong: Misnamed, naming: &mut Naming) {
        // Each file without a version gets one of its own.
        wrong.meant.version.get_or_insert_with(|| naming.style.take_next());
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let renamed = (naming.layout.write)(&wrong.meant, &naming.style);
        let beside = renamed.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        let help = format!("rename it to `{}`", beside.unwrap_or(&renamed));
        let message = format!("`{file}` {}", wrong.fault);
        self.problems.push(Problem::new("misnamed", message).at(Place::file(join(self.shown, path))).help(help));
    }

    fn unknown(&self, path: &str, layout: &Layout) -> Problem {
        let known = [config::FILE, sum::FILE, LOCK];
        let help = match (nearest(path, known), layout::script_extension(path)) {
            (Some(near), _) => format!("rename it to `{near}`"),
            (None, Some(_)) => {
                format!("name it like `{}`, or write `ignore = [\"{path}\"]` in whimbrel.toml", layout.example)
            }
            (None, None) => format!("move it out, or write `ignore = [\"{path}\"]` in whimbrel.toml"),
        };
        let message = match layout::script_extension(path) {
            Some(_) => format!("`{path}` is no file of the layout {}", layout.name),
            None => format!("`{path}` is no migration"),
        };
        Problem::new("unknown-file", message).at(Place::file(join(self.shown, path))).help(help)
    }

    /// What the `metadata.toml` of each folder says about its transaction.
    fn metadata(&mut self, companions: &[&str], named: &[File], open: &Open<'_>) -> BTreeMap<String, Transaction> {
        let folders: BTreeSet<&str> = named.iter().map(File::parent).collect();
        let mut transactions = BTreeMap::new();
        for path in companions {
            let shown = join(self.shown, path);
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !folders.contains(folder) {
                let problem = Problem::new("no-up", format!("`{path}` has no up script beside it"));
                let help = format!("write `{folder}/up.sql`, or delete it");
                self.problems.push(problem.at(Place::file(shown)).help(help));
                continue;
            }
            let Some(text) = self.text(path, open) else { continue };
            let mut settings = Settings::read(&text, &shown, &["run_in_transaction"]);
            let order = || "write `true` or `false`".to_owned();
            let wanted = settings.take("run_in_transaction", |value| value.as_bool().ok_or_else(order));
            self.problems.extend(settings.problems());
            let transaction = wanted.map(|is_wanted| if is_wanted { Transaction::Ours } else { Transaction::None });
            transactions.extend(transaction.map(|transaction| (folder.to_owned(), transaction)));
        }
        transactions
    }

    /// The dialect of `migration_lock.toml`.
    fn locked(&mut self, open: &Open<'_>) -> Option<Dialect> {
        let text = self.text(LOCK, open)?;
        let mut settings = Settings::read(&text, LOCK, &["provider"]);
        settings.take("provider", |value| value.as_str().and_then(Dialect::from_name).ok_or_else(String::new))
    }
}

/// Reads a name under the layout, or under any.
fn read(layout: Option<&Layout>, path: &str) -> Reading {
    if let Some(layout) = layout {
        return (layout.read)(path);
    }
    let readings = layout::LAYOUTS.iter().map(|layout| (layout.read)(path));
    readings.into_iter().find(|reading| !matches!(reading, Reading::Foreign)).unwrap_or(Reading::Foreign)
}
