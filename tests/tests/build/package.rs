//! A generated package.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// A package in a folder of its own, empty but for its `Cargo.toml`.
pub(crate) struct Package {
    folder: PathBuf,
}

const MANIFEST: &str = r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
whimbrel = { path = "{workspace}/runtime", default-features = false }

[workspace]
"#;

impl Package {
    /// A package of that name and folder; what an earlier run left there is gone.
    pub(crate) fn new(name: &str) -> Self {
        Self::at(&packages().join(name), name)
    }

    /// A package in any folder.
    pub(crate) fn at(folder: &Path, name: &str) -> Self {
        drop(fs::remove_dir_all(folder));
        let package = Self::of(folder);
        package.write("Cargo.toml", &manifest(name));
        package.lock();
        package
    }

    /// What lies in a folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Locks the versions that the workspace is tested with, all of them downloaded.
    pub(crate) fn lock(&self) {
        fs::copy(workspace().join("Cargo.lock"), self.path("Cargo.lock")).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Copies a file or a folder of the workspace; does nothing when there is none.
    pub(crate) fn copy(&self, from: &Path, to: &str) {
        if from.is_dir() {
            fs::create_dir_all(self.path(to)).unwrap();
            for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
                self.copy(&entry.path(), &format!("{to}/{}", entry.file_name().to_str().unwrap()));
            }
        } else if from.is_file() {
            fs::copy(from, self.path(to)).unwrap();
        }
    }

    /// A cargo command in the package's folder.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.folder).args(arguments);
        command.env("CARGO_TARGET_DIR", packages().join("target")).env("CARGO_NET_OFFLINE", "true");
        // No test looks at debug information, and writing it takes a quarter of the time.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        command.env("CARGO_TERM_COLOR", "never").env_remove("RUSTFLAGS").env_remove("DATABASE_URL");
        command
    }

    /// Builds and runs; gives what the program prints.
    pub(crate) fn run(&self) -> String {
        let output = self.cargo(&["run", "--quiet"]).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs cargo, which must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) {
        succeeded(&self.cargo(arguments).output().unwrap());
    }
}

/// Says what cargo said when it failed.
pub(crate) fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The `Cargo.toml` of a package that depends on whimbrel.
pub(crate) fn manifest(name: &str) -> String {
    let workspace = workspace().to_str().unwrap().replace('\\', "/");
    MANIFEST.replace("{name}", name).replace("{workspace}", &workspace)
}

/// The folder of this workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of the generated packages, inside the workspace's target directory.
pub(crate) fn packages() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("build")
}
