//! Links between the documents lead somewhere: the file is there, and the heading too.
//!
//! Links to other sites are not followed: a test does not depend on somebody's server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::project::{File, Finding};

/// What a link may lead to: every path of the project, with the headings of those that have any.
type Places = BTreeMap<String, BTreeSet<String>>;

fn findings(files: &[File]) -> Vec<Finding> {
    let places = places(files);
    let documents = files.iter().filter(|file| file.has_extension("md"));
    documents.flat_map(|document| dead_links(document, &places)).collect()
}

fn places(files: &[File]) -> Places {
    let mut places = Places::new();
    for file in files {
        let headings = if file.has_extension("md") { headings(&file.text) } else { BTreeSet::new() };
        places.insert(file.path.clone(), headings);
        for folder in Path::new(&file.path).ancestors().skip(1) {
            places.entry(folder.to_string_lossy().into_owned()).or_default();
        }
    }
    places
}

fn dead_links(document: &File, places: &Places) -> Vec<Finding> {
    let lines = prose(&document.text);
    let links = lines.iter().flat_map(|(number, line)| targets(line).into_iter().map(|target| (*number, target)));
    let dead = links.filter(|(_, target)| !leads_somewhere(&document.path, target, places));
    dead.map(|(number, target)| document.finding(number, format!("this link leads nowhere: {target}"))).collect()
}

fn leads_somewhere(from: &str, target: &str, places: &Places) -> bool {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return true;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { from.to_owned() } else { resolved(from, path) };
    places.get(&path).is_some_and(|headings| heading.is_empty() || headings.contains(heading))
}

fn resolved(from: &str, path: &str) -> String {
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut resolved = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved.to_string_lossy().into_owned()
}

/// The lines that are not in a block of code, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered
        .filter(|(_, line)| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .collect()
}

/// The targets of `[text](target)` in a line, without those quoted as code.
fn targets(line: &str) -> Vec<&str> {
    let spoken = line.split('`').step_by(2);
    spoken.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

/// The headings as the names that links use for them, in the manner of GitHub.
fn headings(text: &str) -> BTreeSet<String> {
    let lines = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
    lines.map(|(_, line)| slug(line.trim_start_matches('#').trim())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::files;

    #[test]
    fn every_link_leads_somewhere() {
        assert_none("links", findings(&files()));
    }

    #[test]
    fn dead_links_are_found_and_live_ones_are_not() {
        let other = File::sample("docs/other.md", "# Other\n## When it's `full`, what then?\n");
        let code = File::sample("crates/core/src/lib.rs", "");
        let text = "# Page\n[a](other.md) [b](other.md#when-its-full-what-then) [c](#page) [`d`](../crates/core)\n\
                    [e](https://example.net/nothing)\n[f](gone.md)\n[g](other.md#gone) [`h`](../gone.md)\n\
                    ```\n[i](gone.md)\n```\n`[j](gone.md)`\n";
        let page = File::sample("docs/page.md", text);
        let found = findings(&[page, other, code]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [4, 5, 5], "{found:?}");
    }
}
