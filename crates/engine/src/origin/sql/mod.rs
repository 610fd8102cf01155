//! SQL with `:name` placeholders: found, checked, and written again in a database's own style of placeholder.
//!
//! The text between placeholders is passed on byte for byte; nothing is ever put into it but `?`, `?1` or `$1`.

mod token;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use token::{Token, What};

use super::Kind;
use super::parameter::ParameterKind;
use super::query::QueryError;

/// The words a statement that reads begins with.
const READING: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

static COMPILED: AtomicU64 = AtomicU64::new(0);

/// One statement, cut at its placeholders.
#[derive(Debug)]
pub(super) struct Sql {
    /// Another one for every statement compiled, for remembering what a database said about it.
    pub(super) id: u64,
    /// The statement as written, without a final semicolon.
    pub(super) text: Arc<str>,
    /// Its tokens, blanks and comments left out.
    pub(super) tokens: Vec<Token>,
    /// Its placeholders, in order of appearance.
    pub(super) slots: Vec<Slot>,
    /// What they are bound to: each name once, in order of first appearance.
    pub(super) parameters: Vec<Parameter>,
}

/// One placeholder in the text.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Its bytes in the text, colon included.
    pub(super) range: Range<usize>,
    /// Its place among the tokens.
    pub(super) token: usize,
    /// Its place among the parameters.
    pub(super) parameter: usize,
}

/// A name that placeholders are bound by.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: ParameterKind,
}

impl Sql {
    /// Parses and checks a statement whose placeholders are all among `bound`.
    pub(super) fn parse(kind: Kind, text: &str, bound: &[(&str, ParameterKind)]) -> Result<Self, QueryError> {
        let mut tokens = checked(kind, text)?;
        let end = match tokens.last() {
            Some(last) if last.what == What::Semicolon => last.range.start,
            Some(_) | None => text.len(),
        };
        tokens.retain(|token| token.range.start < end);
        let id = COMPILED.fetch_add(1, Ordering::Relaxed);
        let mut sql = Self { id, text: Arc::from(&text[..end]), tokens, slots: Vec::new(), parameters: Vec::new() };
        sql.find_slots(bound);
        Ok(sql)
    }

    fn find_slots(&mut self, bound: &[(&str, ParameterKind)]) {
        for (token, found) in self.tokens.iter().enumerate().filter(|(_, token)| token.what == What::Placeholder) {
            let name = &self.text[found.range.start + 1..found.range.end];
            let known = self.parameters.iter().position(|parameter| parameter.name == name);
            let parameter = known.unwrap_or_else(|| {
                let kind =
                    bound.iter().find(|(bound, _)| *bound == name).map_or(ParameterKind::Text, |(_, kind)| *kind);
                self.parameters.push(Parameter { name: name.to_owned(), kind });
                self.parameters.len() - 1
            });
            self.slots.push(Slot { range: found.range.clone(), token, parameter });
        }
    }

    /// The statement with every placeholder replaced by what `write` says for it.
    pub(super) fn render(&self, mut write: impl FnMut(&Slot) -> String) -> String {
        let mut rendered = String::with_capacity(self.text.len() + 8 * self.slots.len());
        let mut done = 0;
        for slot in &self.slots {
            rendered.push_str(&self.text[done..slot.range.start]);
            rendered.push_str(&write(slot));
            done = slot.range.end;
        }
        rendered.push_str(&self.text[done..]);
        rendered
    }

    /// The text of a token.
    pub(super) fn word(&self, token: usize) -> &str {
        self.tokens.get(token).map_or("", |token| &self.text[token.range.clone()])
    }
}

/// The placeholders of a statement, without their colon, in order of appearance, repeated ones repeated.
pub(super) fn placeholders(kind: Kind, text: &str) -> Result<Vec<String>, QueryError> {
    let tokens = checked(kind, text)?;
    let found = tokens.iter().filter(|token| token.what == What::Placeholder);
    Ok(found.map(|token| text[token.range.start + 1..token.range.end].to_owned()).collect())
}

fn checked(kind: Kind, text: &str) -> Result<Vec<Token>, QueryError> {
    let tokens = token::tokens(kind, text)?;
    let semicolon = tokens.iter().position(|token| token.what == What::Semicolon);
    if semicolon.is_some_and(|at| at + 1 < tokens.len()) {
        return Err(QueryError::SeveralStatements);
    }
    if let Some(foreign) = tokens.iter().find(|token| token.what == What::Foreign) {
        return Err(QueryError::ForeignPlaceholder { found: text[foreign.range.clone()].to_owned() });
    }
    let first = tokens.iter().find(|token| token.what != What::Open && token.what != What::Semicolon);
    let first = &text[first.ok_or(QueryError::Empty)?.range.clone()];
    if READING.iter().any(|word| word.eq_ignore_ascii_case(first)) {
        Ok(tokens)
    } else {
        Err(QueryError::NotARead { found: first.to_owned() })
    }
}
