//! A file that has its name only when it is complete and on the disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::shown;
use crate::error::{Error, ErrorKind, Result};

/// A file under a temporary name; removed when it is dropped before it was kept.
#[derive(Debug)]
pub(crate) struct Partial {
    folder: PathBuf,
    name: String,
    /// Absolute: a program may work elsewhere.
    path: PathBuf,
}

impl Partial {
    /// Makes it, empty, for this account alone.
    pub(crate) fn create(folder: &Path, name: String) -> Result<Self> {
        if !folder.is_dir() {
            let message = format!("there is no folder `{}` for the backup; nothing was run", shown(folder));
            let help = format!("make or mount `{}`, then run it again", shown(folder));
            return Err(Error::new(ErrorKind::Backup, message).help(help));
        }
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let name = free(&absolute, name);
        let path = absolute.join(format!("{name}.part"));
        // One of that name is what a process has left that was killed in this very second.
        private().create(true).truncate(true).write(true).open(&path).map_err(|error| unwritable(folder, &error))?;
        Ok(Self { folder: folder.to_owned(), name, path })
    }

    /// The folder as the user wrote it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How much has been written.
    pub(crate) fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Opens it for a program to write into.
    pub(crate) fn open(&self) -> Result<File> {
        File::options().write(true).open(&self.path).map_err(|error| unwritable(&self.folder, &error))
    }

    /// Writes it through to the disk and gives it its name: the path as the user wrote it, and its size.
    pub(crate) fn keep(self) -> Result<(PathBuf, u64)> {
        let bytes = self.bytes();
        if bytes == 0 {
            let message = format!("the backup in `{}` is empty; nothing was run", shown(&self.folder));
            let help = "see that the program or command writes the backup, and run it again";
            return Err(Error::new(ErrorKind::Backup, message).help(help));
        }
        self.finish().map_err(|error| unwritable(&self.folder, &error))?;
        Ok((self.folder.join(&self.name), bytes))
    }

    fn finish(&self) -> io::Result<()> {
        // A command may have put another file in its place.
        restrict(&self.path)?;
        File::options().write(true).open(&self.path)?.sync_all()?;
        fs::rename(&self.path, self.path.with_file_name(&self.name))?;
        // The name is on the disk when its folder is; not every system can open one.
        if let Some(folder) = self.path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once it has its name, there is none of this one.
        let _ = fs::remove_file(&self.path);
    }
}

/// The name, or with a number before its ending where there is such a file already.
fn free(folder: &Path, name: String) -> String {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    let numbered = (2..).map(|number| format!("{stem}-{number}.{ending}"));
    let is_free = |name: &String| !folder.join(name).exists();
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}

/// How a file is made that only this account may read.
pub(crate) fn private() -> fs::OpenOptions {
    #[allow(unused_mut, reason = "on Windows a file has the rights of its folder")]
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn restrict(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> io::Result<()> {
    Ok(())
}

fn unwritable(folder: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::StorageFull {
        return no_room(folder, 0, None);
    }
    let message = format!("the backup cannot be written to `{}`: {error}; nothing was run", shown(folder));
    let help = format!("let this account write to `{}`, or name another folder; then run it again", shown(folder));
    Error::new(ErrorKind::Backup, message).help(help)
}

/// The folder has no room for it.
pub(crate) fn no_room(folder: &Path, written: u64, of: Option<u64>) -> Error {
    use crate::backup::Size;
    let message = format!("there is no room in `{}` for the backup; nothing was run", shown(folder));
    // Who fails may have taken back what it wrote.
    let written = (written > 0).then(|| format!("{} were written before it was full", Size(written)));
    let database = of.map(|bytes| format!("the database holds {}", Size(bytes)));
    let told: Vec<String> = written.into_iter().chain(database).collect();
    let details = format!("  {}", told.join(", and "));
    let help = format!("make room in `{}`, or name another folder; then run it again", shown(folder));
    Error::new(ErrorKind::Backup, message).details(details).help(help)
}
