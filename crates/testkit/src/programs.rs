//! Where the servers' programs are: on PATH, else in the places Debian hides them.

use std::env;
use std::path::{Path, PathBuf};

/// The path of `name`.
///
/// # Panics
/// When it is nowhere; the sentence says what to install.
pub(crate) fn find(name: &str, install: &str) -> PathBuf {
    look_up(name).unwrap_or_else(|| panic!("`{name}` is not on this machine: install {install}"))
}

/// The path of `name`, where doing without is possible.
pub(crate) fn look_up(name: &str) -> Option<PathBuf> {
    on_path().chain(hidden_places()).map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// System directories that a user's PATH may leave out, and PostgreSQL's, newest version first.
fn hidden_places() -> impl Iterator<Item = PathBuf> {
    let system = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].into_iter().map(PathBuf::from);
    system.chain(postgres_directories(Path::new("/usr/lib/postgresql")))
}

fn postgres_directories(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.into_iter().map(|version| root.join(version.to_string()).join("bin")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_newest_postgres_comes_first_by_number_not_by_letter() {
        let root = Scratch::new("versions");
        for version in ["9", "15", "extra"] {
            std::fs::create_dir(root.path().join(version)).unwrap();
        }
        let expected = [root.path().join("15/bin"), root.path().join("9/bin")];
        assert_eq!(postgres_directories(root.path()), expected);
    }

    #[test]
    #[should_panic(expected = "install the moon")]
    fn a_missing_program_is_named_with_its_remedy() {
        find("no-such-program-anywhere", "the moon");
    }
}
