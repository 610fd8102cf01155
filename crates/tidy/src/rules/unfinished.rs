//! What is committed is finished: no `todo!`, no `unimplemented!`, and no note to oneself in any file.
//!
//! A note belongs into an issue, where somebody finds it.

use crate::code::{lines_with, tokens};
use crate::project::{File, Finding};

/// Joined here, so that this file does not find itself.
fn notes() -> [String; 3] {
    [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat())
}

fn findings(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(|file| noted(file).into_iter().chain(stubs(file))).collect()
}

fn noted(file: &File) -> Vec<Finding> {
    let notes = notes();
    let is_note = |word: &str| notes.iter().any(|note| note == word);
    let has_note = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(is_note);
    let lines = file.text.lines().enumerate().filter(|(_, line)| has_note(line));
    lines.map(|(index, _)| file.finding(index + 1, "a note to oneself: do it, or open an issue")).collect()
}

fn stubs(file: &File) -> Vec<Finding> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    let tokens = tokens(file);
    let found = ["todo", "unimplemented"].map(|name| lines_with(&tokens, &[name, "!"]));
    found.concat().into_iter().map(|line| file.finding(line, "a stub")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::files;

    #[test]
    fn nothing_is_left_unfinished() {
        assert_none("unfinished", findings(&files()));
    }

    #[test]
    fn stubs_and_notes_are_found() {
        let stub = File::sample("a.rs", "fn a() {\n    todo!()\n}\nfn b() { unimplemented!(\"later\") }");
        assert_eq!(findings(&[stub]).len(), 2);
        for note in notes() {
            assert_eq!(findings(&[File::sample("a.md", &format!("fine\n{note}: later\n"))])[0].line, 2);
        }
    }
}
