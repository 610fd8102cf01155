//! The settings as an operator meets them: whole files in, meanings and messages out.

#![allow(clippy::unwrap_used)]

mod changes;
mod deployments;
mod files;
mod findings;
mod meaning;

use super::*;
use std::collections::BTreeMap;
use std::io;

/// A machine with these variables and these files.
#[derive(Default)]
struct Machine {
    variables: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, &'static str>,
}

impl Surroundings for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let text = path.to_str().and_then(|path| self.files.get(path));
        text.map(|text| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn read(text: &str) -> Result<Loaded, Problems> {
    parse_in(text, "failsoft.toml", &Machine::default())
}

fn settings(text: &str) -> Settings {
    read(text).unwrap_or_else(|problems| panic!("{problems}")).settings
}

/// What is said about `text`: `line: severity: message`.
fn said(text: &str) -> Vec<String> {
    let problems = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.list().to_vec(),
    };
    let line = |problem: &Problem| problem.place.position.map_or(0, |position| position.line);
    problems.iter().map(|problem| format!("{}: {}: {}", line(problem), problem.severity, problem.message)).collect()
}
