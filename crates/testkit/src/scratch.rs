//! Private directories for servers, removed when dropped and, failing that, swept by a later run.
//!
//! A test that is killed cannot clean up. So every test process keeps its directories under one of its own,
//! next to a locked file; the kernel unlocks it when the process ends, and the first test process to come
//! along removes what is no longer locked. Everything lives in `<temp>/failsoft-testkit-<uid>`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::account::Account;

const LOCK: &str = "lock";

/// A directory of one server, empty at first.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Creates a directory whose name begins with `name`.
    pub(crate) fn new(name: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(process_directory())
            .expect("the temporary directory is writable");
        Self(directory)
    }

    /// As [`Scratch::new`], owned by `account` when that differs from ours.
    pub(crate) fn owned_by(name: &str, account: Option<&Account>) -> Self {
        let scratch = Self::new(name);
        give(scratch.path(), account);
        scratch
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Hands `path` to `account`; only ever needed, and only ever possible, as root.
pub(crate) fn give(path: &Path, account: Option<&Account>) {
    if let Some(account) = account {
        chown(path, Some(account.uid), Some(account.gid)).expect("root may change owners");
    }
}

/// The directory all test processes of this user share.
pub(crate) fn shared_directory() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("failsoft-testkit-{uid}"));
    make_passable(&path);
    path
}

fn process_directory() -> &'static Path {
    static OURS: OnceLock<(PathBuf, File)> = OnceLock::new();
    &OURS.get_or_init(claim_process_directory).0
}

fn claim_process_directory() -> (PathBuf, File) {
    let runs = shared_directory().join("runs");
    make_passable(&runs);
    let _one_at_a_time = locked(&shared_directory().join("runs.lock"));
    sweep(&runs);
    let path =
        tempfile::Builder::new().prefix("run-").tempdir_in(&runs).expect("the temporary directory is writable").keep();
    make_passable(&path);
    let lock = locked(&path.join(LOCK));
    (path, lock)
}

/// Opens (creating if need be) and locks `path`, waiting for whoever holds it.
pub(crate) fn locked(path: &Path) -> File {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .expect("the temporary directory is writable");
    file.lock().expect("the temporary directory supports file locks");
    file
}

/// Removes the directories of processes that ended without doing so.
fn sweep(runs: &Path) {
    let abandoned = fs::read_dir(runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()));
    for path in abandoned {
        // A file another user's server left may resist; it costs disk space, not correctness.
        let _ = fs::remove_dir_all(path);
    }
}

/// Other users' servers must be able to walk through, not to list.
fn make_passable(path: &Path) {
    fs::create_dir_all(path).expect("the temporary directory is writable");
    let _ = fs::set_permissions(path, Permissions::from_mode(0o711));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_directory_is_gone() {
        let scratch = Scratch::new("gone");
        let path = scratch.path().to_owned();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn the_sweep_takes_unlocked_directories_and_leaves_locked_ones() {
        let runs = Scratch::new("sweep");
        let (dead, alive) = (runs.path().join("dead"), runs.path().join("alive"));
        for path in [&dead, &alive] {
            fs::create_dir(path).unwrap();
        }
        File::create(dead.join(LOCK)).unwrap();
        let _held = locked(&alive.join(LOCK));

        sweep(runs.path());

        assert!(!dead.exists());
        assert!(alive.exists());
    }
}
