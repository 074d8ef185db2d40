//! Programs that refuse to run as root, and files that are theirs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

/// A command that runs the program as somebody else where we are root: PostgreSQL's account where there is one, else
/// nobody.
pub(crate) fn command(program: &Path) -> Command {
    let Some([user, group]) = account() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]).arg(program);
    command
}

/// Gives a folder and the files in it to who runs such a command, and to nobody else.
pub(crate) fn give(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("the folder is ours");
    let Some([user, group]) = account() else { return };
    let files = fs::read_dir(folder).expect("the folder is ours").map(|file| file.expect("it can be read").path());
    for path in files.chain([folder.to_owned()]) {
        chown(path, Some(user), Some(group)).expect("root may give its files away");
    }
}

/// Who it is instead of root.
fn account() -> Option<[u32; 2]> {
    if !fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let mut fields = passwd.lines().find_map(|line| line.strip_prefix(&format!("{name}:")))?.split(':').skip(1);
        Some([fields.next()?.parse().ok()?, fields.next()?.parse().ok()?])
    };
    Some(find("postgres").or_else(|| find("nobody")).unwrap_or([65534, 65534]))
}
