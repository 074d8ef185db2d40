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
    /// It has its name: whatever is at the path from then on is somebody else's.
    is_kept: bool,
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
        // Others may begin in the same folder in this very second: one of them makes the file.
        for name in numbered(&name).filter(|name| !absolute.join(name).exists()) {
            let path = absolute.join(format!("{name}.part"));
            match private().create_new(true).write(true).open(&path) {
                Ok(_) => return Ok(Self { folder: folder.to_owned(), name, path, is_kept: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unwritable(folder, &error)),
            }
        }
        Err(unwritable(folder, &io::ErrorKind::AlreadyExists.into()))
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
    pub(crate) fn keep(mut self) -> Result<(PathBuf, u64)> {
        let bytes = self.bytes();
        if bytes == 0 {
            let message = format!("the backup in `{}` is empty; nothing was run", shown(&self.folder));
            let help = "see that the program or command writes the backup, and run it again";
            return Err(Error::new(ErrorKind::Backup, message).help(help));
        }
        self.finish().map_err(|error| unwritable(&self.folder, &error))?;
        Ok((self.folder.join(&self.name), bytes))
    }

    fn finish(&mut self) -> io::Result<()> {
        // A command may have put another file in its place.
        restrict(&self.path)?;
        File::options().write(true).open(&self.path)?.sync_all()?;
        self.name = give_name(&self.path, &self.name)?;
        self.is_kept = true;
        // The name is on the disk when its folder is; not every system can open one.
        if let Some(folder) = self.path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives a file its name, or the next number of it that nobody has: a rename would replace what is there.
fn give_name(path: &Path, name: &str) -> io::Result<String> {
    for name in numbered(name) {
        let to = path.with_file_name(&name);
        match fs::hard_link(path, &to) {
            Ok(()) => {
                // It is whole under its name, also where the other one stays.
                let _ = fs::remove_file(path);
                return Ok(name);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Not every system of files has links. There the name is taken first, by an empty file of our own.
            Err(_) => match private().create_new(true).write(true).open(&to) {
                Ok(_) => {
                    return fs::rename(path, &to).map(|()| name).inspect_err(|_| {
                        let _ = fs::remove_file(&to);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            },
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The name, and with a number before its ending.
fn numbered(name: &str) -> impl Iterator<Item = String> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let more = (2..1000).map(move |number| format!("{stem}-{number}.{ending}"));
    std::iter::once(name.to_owned()).chain(more)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with its test.
    struct Folder(PathBuf);

    impl Folder {
        fn make(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("whimbrel-kept-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn begin(&self, text: &str) -> Partial {
            let partial = Partial::create(&self.0, "shop.dump".to_owned()).unwrap();
            fs::write(partial.path(), text).unwrap();
            partial
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn two_of_one_name_at_once_have_a_file_each() {
        let folder = Folder::make("two");
        let (one, other) = (folder.begin("one"), folder.begin("other"));
        assert_eq!(other.keep().unwrap(), (folder.0.join("shop-2.dump"), 5));
        assert_eq!(one.keep().unwrap(), (folder.0.join("shop.dump"), 3));
        assert_eq!((folder.read("shop.dump"), folder.read("shop-2.dump")), ("one".to_owned(), "other".to_owned()));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
    }

    #[test]
    fn a_file_of_that_name_is_not_replaced() {
        let folder = Folder::make("replaced");
        let ours = folder.begin("ours");
        fs::write(folder.0.join("shop.dump"), "theirs").unwrap();
        assert_eq!(ours.keep().unwrap().0, folder.0.join("shop-2.dump"));
        assert_eq!((folder.read("shop.dump"), folder.read("shop-2.dump")), ("theirs".to_owned(), "ours".to_owned()));
    }

    #[test]
    fn what_a_killed_process_has_left_is_left() {
        let folder = Folder::make("killed");
        std::mem::forget(folder.begin("part"));
        assert_eq!(folder.begin("whole").keep().unwrap().0, folder.0.join("shop-2.dump"));
        assert_eq!(folder.read("shop.dump.part"), "part");
    }
}
