//! The text of the settings and where each setting stands in it.
//!
//! Every later check speaks of settings by path (`routes[2].ttl`); this is the one place that turns a path into a
//! line and a column. A setting that was not written is placed at the table it is missing from.

use super::address::blot_secrets;
use super::problem::{Excerpt, Place, Position, Problem, Severity};
use std::collections::HashMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A settings text with the place of everything in it.
pub(crate) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    spans: HashMap<String, Spans>,
}

struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// Which part of a setting a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

impl<'t> Document<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str, root: &DeTable<'t>) -> Self {
        let mut document = Self { file, text, spans: HashMap::new() };
        document.note_table(root, "");
        document
    }

    /// Whether the setting at `path` was written.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.spans.contains_key(path)
    }

    /// A problem with the setting at `path`, or with the table it is missing from.
    pub(crate) fn problem(&self, severity: Severity, path: &str, part: Part, message: String) -> Problem {
        self.problem_at(severity, path, self.span(path, part), message)
    }

    /// A problem with the text at `span`.
    pub(crate) fn problem_at(
        &self,
        severity: Severity,
        path: &str,
        span: Option<Range<usize>>,
        message: String,
    ) -> Problem {
        let line = span.map(|span| Line::at(self.text, span));
        Problem {
            severity,
            place: Place { file: self.file.to_owned(), position: line.as_ref().map(|line| line.position) },
            path: path.to_owned(),
            message,
            hint: None,
            excerpt: line.map(Line::into_excerpt),
        }
    }

    fn span(&self, path: &str, part: Part) -> Option<Range<usize>> {
        let mut path = path;
        let mut part = part;
        loop {
            if let Some(spans) = self.spans.get(path) {
                return Some(if part == Part::Key { spans.key.clone() } else { spans.value.clone() });
            }
            path = parent(path)?;
            part = Part::Value;
        }
    }

    fn note_table(&mut self, table: &DeTable<'_>, path: &str) {
        for (key, value) in table {
            let inner = join(path, key.get_ref());
            self.note(inner, key.span(), value);
        }
    }

    fn note(&mut self, path: String, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.note_table(table, &path),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.note(format!("{path}[{index}]"), item.span(), item);
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
        self.spans.insert(path, Spans { key, value: value.span() });
    }
}

/// The path of `key` in the table at `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of the table or list that `path` is in.
pub(crate) fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).map(|end| &path[..end])
}

/// The name a path is best known by: its last key.
pub(crate) fn last_key(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

struct Line<'t> {
    text: &'t str,
    position: Position,
    len: usize,
}

impl<'t> Line<'t> {
    fn at(text: &'t str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let position = Position {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
        };
        let len = text[start..end.min(line_end).max(start)].chars().count().max(1);
        Self { text: text[line_start..line_end].trim_end(), position, len }
    }

    fn into_excerpt(self) -> Excerpt {
        let line = blot_secrets(self.text);
        let start = self.position.column - 1;
        let room = line.chars().count().saturating_sub(start).max(1);
        Excerpt { start, len: self.len.min(room), line }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
}
