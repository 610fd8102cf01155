//! Gathers what is wrong while the settings are being understood, so that all of it can be said at once.
//!
//! What cannot even be read (an unknown key, a wrong type) is left out and the rest is still judged. A table that
//! lost a key that way is not judged further: complaints about it would mostly be echoes of the first.

use super::document::{Document, Part, parent};
use super::problem::{Problem, Severity};

/// The problems found so far, and the document they are in.
pub(crate) struct Judge<'t> {
    document: Document<'t>,
    structural: Vec<Problem>,
    meaning: Vec<Problem>,
}

impl<'t> Judge<'t> {
    pub(crate) fn new(document: Document<'t>) -> Self {
        Self { document, structural: Vec::new(), meaning: Vec::new() }
    }

    /// Something at `path` that cannot be read.
    pub(crate) fn unreadable(&mut self, path: &str, part: Part, message: impl Into<String>) -> &mut Problem {
        let problem = self.document.problem(Severity::Error, path, part, message.into());
        self.structural.push(problem);
        last(&mut self.structural)
    }

    /// Something at `path` that can be read and may not be.
    pub(crate) fn error(&mut self, path: impl AsRef<str>, message: impl Into<String>) -> &mut Problem {
        self.note(Severity::Error, path.as_ref(), message.into())
    }

    /// Something at `path` that may be, and is unwise.
    pub(crate) fn warning(&mut self, path: impl AsRef<str>, message: impl Into<String>) -> &mut Problem {
        self.note(Severity::Warning, path.as_ref(), message.into())
    }

    /// Whether the setting at `path` was written (rather than left to its default).
    pub(crate) fn was_written(&self, path: impl AsRef<str>) -> bool {
        self.document.has(path.as_ref())
    }

    /// How many errors there are so far; what makes a value compares this before and after.
    pub(crate) fn errors(&self) -> usize {
        let meant = self.meaning.iter().filter(|problem| problem.severity == Severity::Error).count();
        self.structural.len() + meant
    }

    pub(crate) fn document(&self) -> &Document<'t> {
        &self.document
    }

    /// Everything worth saying, in the order of the lines.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let Self { structural, mut meaning, .. } = self;
        let broken: Vec<&str> = structural.iter().map(|problem| parent(&problem.path).unwrap_or_default()).collect();
        if !structural.is_empty() {
            meaning.retain(|problem| {
                problem.severity == Severity::Error && !broken.iter().any(|table| problem.path.starts_with(table))
            });
        }
        let mut all = structural;
        all.append(&mut meaning);
        all.sort_by_key(|problem| problem.place.position.map(|position| (position.line, position.column)));
        all
    }

    fn note(&mut self, severity: Severity, path: &str, message: String) -> &mut Problem {
        let problem = self.document.problem(severity, path, Part::Value, message);
        self.meaning.push(problem);
        last(&mut self.meaning)
    }
}

fn last(problems: &mut [Problem]) -> &mut Problem {
    problems.last_mut().expect("the caller has just pushed one")
}
