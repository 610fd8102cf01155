//! The files of the project, as git knows them, and what is found wrong in them.
//!
//! Files that are new and not ignored count too, so that a finding comes before the commit and not after it. Where there
//! is no git (an archive of the sources), everything outside of build folders counts.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One text file of the project.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path from the project's root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1; 0 is the file as a whole.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl File {
    /// A sample for a rule's own test.
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether its name ends in `.extension`.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// A finding in `line` of this file.
    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The project's root.
pub(crate) fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent);
    crates.expect("this crate lies two folders below the root")
}

/// Every text file.
pub(crate) fn files() -> Vec<File> {
    let files: Vec<File> = paths().into_iter().filter_map(read).collect();
    assert!(files.len() > 100, "only {} files were found: the search is broken", files.len());
    files
}

/// Every Rust file.
pub(crate) fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.has_extension("rs")).collect()
}

/// One file.
///
/// # Panics
/// When it is not there.
pub(crate) fn file(path: &str) -> File {
    read(path.to_owned()).unwrap_or_else(|| panic!("{path} is missing"))
}

/// `None` for what is not text, and for files that git still knows and that are gone.
fn read(path: String) -> Option<File> {
    let text = fs::read_to_string(root().join(&path)).ok()?;
    Some(File { path, text })
}

fn paths() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
        }
        Ok(_) | Err(_) => walk(root()).iter().map(|path| relative(path)).collect(),
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk_unless_built(&path) } else { vec![path] }).collect()
}

fn walk_unless_built(folder: &Path) -> Vec<PathBuf> {
    let built = [".git", "target", "node_modules", "corpus", "artifacts"];
    if built.iter().any(|name| folder.ends_with(name)) { Vec::new() } else { walk(folder) }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
