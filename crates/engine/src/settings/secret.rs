//! Passwords, and where they come from: a file, the environment, or (unwisely) the settings themselves.
//!
//! A secret never prints itself. Where it comes from is asked through [`Surroundings`], so that the settings can be
//! judged in a test without touching the environment of the process.

use super::judge::Judge;
use std::fmt;
use std::path::{Path, PathBuf};

/// A password. `Debug` shows only that there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: only for the one who must present it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What settings may ask of the machine they are read on.
pub trait Surroundings {
    /// The value of an environment variable, if it is set and is text.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a file.
    fn file(&self, path: &Path) -> std::io::Result<String>;
}

/// The process failsoft runs as.
#[derive(Clone, Copy, Debug)]
pub struct ThisProcess;

impl Surroundings for ThisProcess {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// Where the settings came from, which relative paths in them are relative to.
pub(crate) struct Home<'h> {
    pub(crate) folder: PathBuf,
    pub(crate) surroundings: &'h dyn Surroundings,
}

/// The ways one password was written.
pub(crate) struct WrittenSecret<'w> {
    pub(crate) table: &'w str,
    /// What stands before `password_file` and `password_env`, where the table has passwords of several kinds.
    pub(crate) prefix: &'static str,
    pub(crate) in_url: Option<String>,
    pub(crate) url_path: String,
    pub(crate) file: Option<&'w str>,
    pub(crate) variable: Option<&'w str>,
}

impl WrittenSecret<'_> {
    /// The password, if one was written in exactly one way that can be followed.
    pub(crate) fn find(self, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<Secret> {
        if [self.in_url.is_some(), self.file.is_some(), self.variable.is_some()].iter().filter(|way| **way).count() > 1
        {
            judge
                .error(self.table, "the password is given in more than one way")
                .hint(format!("keep one of: {0}password_file, {0}password_env, the URL", self.prefix));
            return None;
        }
        if let Some(password) = self.in_url {
            judge
                .warning(self.url_path, "the password stands in the settings, where everybody who reads them sees it")
                .hint("name a file with password_file or an environment variable with password_env");
            return Some(Secret(password));
        }
        let (key, found) = match (self.file, self.variable) {
            (Some(file), _) => ("password_file", read_file(&home.folder.join(file), home.surroundings)),
            (None, Some(name)) => ("password_env", read_variable(name, home.surroundings)),
            (None, None) => return None,
        };
        match found {
            Ok(password) => Some(Secret(password)),
            Err(message) => {
                judge.error(format!("{}.{}{key}", self.table, self.prefix), message);
                None
            }
        }
    }
}

fn read_file(path: &Path, surroundings: &dyn Surroundings) -> Result<String, String> {
    let text = surroundings
        .file(path)
        .map_err(|error| format!("the password file {} cannot be read: {error}", path.display()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(format!("the password file {} is empty", path.display()));
    }
    Ok(password.to_owned())
}

fn read_variable(name: &str, surroundings: &dyn Surroundings) -> Result<String, String> {
    match surroundings.variable(name) {
        Some(password) if !password.is_empty() => Ok(password),
        Some(_) => Err(format!("the environment variable {name} is empty")),
        None => Err(format!("the environment variable {name} is not set")),
    }
}
