//! What is wrong with the settings, said so that the operator can mend it: where, what, and what to write instead.
//!
//! All problems of a file are reported together. An error keeps failsoft from starting; a warning does not.

use serde::Serialize;
use std::fmt;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// failsoft does not start with it.
    Error,
    /// failsoft starts, and somebody will wish it had been mended.
    Warning,
}

/// A place in the settings file. Without a position it is the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file's name as it was given.
    pub file: String,
    /// Where in the file.
    #[serde(flatten)]
    pub position: Option<Position>,
}

/// A position in a text, counted from 1 as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// The line a problem is on, with the stretch that is meant. Passwords in it are blotted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line without its end.
    pub line: String,
    /// Characters before the stretch.
    pub start: usize,
    /// Characters in the stretch; at least one.
    pub len: usize,
}

/// One thing that is wrong, or unwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// Which setting it is about, such as `routes[2].ttl`; empty for the whole file.
    pub path: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line it is on.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

/// Why there are no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was no text to read.
    Unreadable,
    /// The text is not acceptable.
    Refused,
}

/// Everything that is wrong with a settings file, in the order of its lines; at least one error among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    cause: Cause,
    list: Vec<Problem>,
}

impl Problem {
    /// Adds what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

impl Problems {
    pub(crate) fn new(cause: Cause, list: Vec<Problem>) -> Self {
        Self { cause, list }
    }

    /// Whether the file could not be read or was read and refused.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The problems, in the order of their lines.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.position {
            Some(Position { line, column }) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.severity, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
