//! Key patterns: which keys a route speaks for, and what they say.
//!
//! A pattern is literal text with parameters in braces. Each parameter ends where the literal after it first occurs,
//! so a key can be read in one pass from left to right: there is never a choice to take back, and no key, however
//! hostile, makes matching slow. That is also why two parameters need a literal between them and why `*` stands only
//! at the end.
//!
//! | written | takes |
//! | --- | --- |
//! | `{name}` | one or more bytes, none of them `:` |
//! | `{name:int}` | a canonical decimal that fits 64 bits: `0`, `-7`, but not `007`, `+7` or `-0` |
//! | `{name...}` | one or more bytes of any kind |
//! | `*` | any rest, also none; only at the end |
//! | `{{` and `}}` | a literal brace, for hash tags: `user:{{{id}}}:name` |
//!
//! Keys are bytes, patterns are text: a parameter may hold bytes that are not UTF-8.

use std::fmt;

mod covers;
mod glob;
mod parse;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::any_pattern;

/// How many parameters a pattern may have, so that binding them needs no heap.
pub const MAX_PARAMETERS: usize = 8;
/// How many bytes a pattern may have, written out.
pub const MAX_PATTERN_LEN: usize = 512;

/// A compiled key pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    text: Box<str>,
    prefix: Box<[u8]>,
    parameters: Box<[Parameter]>,
    tail: Tail,
}

/// A parameter of a pattern, with the literal that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    name: Box<str>,
    kind: ParameterKind,
    until: Box<[u8]>,
}

/// What bytes a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// `{name}`: anything but `:`.
    Text,
    /// `{name:int}`: a canonical decimal that fits 64 bits.
    Int,
    /// `{name...}`: anything.
    Path,
}

/// What may follow the last literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    End,
    AnyRest,
}

/// Why a text is not a key pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing was written.
    Empty,
    /// More than [`MAX_PATTERN_LEN`] bytes.
    TooLong,
    /// A `{` without its `}`.
    Unclosed,
    /// A `}` that closes nothing and is not doubled.
    StrayBrace,
    /// A parameter's name is not a letter or `_` followed by letters, digits or `_`.
    BadName(String),
    /// A parameter's kind is not known.
    UnknownKind(String),
    /// Two parameters have the same name.
    Repeated(String),
    /// More than [`MAX_PARAMETERS`] parameters.
    TooManyParameters,
    /// Nothing tells where one parameter ends and the next, or `*`, begins.
    Adjacent,
    /// A `*` before the end.
    StarInside,
}

impl KeyPattern {
    /// Compiles `text`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        parse::parse(text)
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The literal every matching key begins with; may be empty.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The parameters, in the order in which they stand.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Whether `key` is one of this pattern's keys.
    pub fn matches(&self, key: &[u8]) -> bool {
        self.read(key, |_, _| {})
    }

    /// What `key` says, if it is one of this pattern's keys. Nothing is copied.
    pub fn bind<'p, 'k>(&'p self, key: &'k [u8]) -> Option<Params<'p, 'k>> {
        let mut values = [&[] as &[u8]; MAX_PARAMETERS];
        let matched = self.read(key, |index, value| values[index] = value);
        matched.then_some(Params { parameters: &self.parameters, values })
    }

    /// Whether every key of `other` is surely one of this pattern's keys too.
    ///
    /// Never true by mistake. It may be false although true for patterns whose parameters are set apart by something
    /// else than `:` in different places; `check` then says nothing, which costs a warning and no request.
    pub fn covers(&self, other: &Self) -> bool {
        covers::covers(self, other)
    }

    fn read<'k>(&self, key: &'k [u8], mut found: impl FnMut(usize, &'k [u8])) -> bool {
        let Some(mut rest) = key.strip_prefix(&*self.prefix) else { return false };
        for (index, parameter) in self.parameters.iter().enumerate() {
            let Some((value, after)) = parameter.take(rest) else { return false };
            found(index, value);
            rest = after;
        }
        rest.is_empty() || self.tail == Tail::AnyRest
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Parameter {
    /// The name it is bound by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What bytes it takes.
    pub fn kind(&self) -> ParameterKind {
        self.kind
    }

    /// The literal that ends it; empty when it takes the rest of the key.
    pub(crate) fn until(&self) -> &[u8] {
        &self.until
    }

    fn take<'k>(&self, rest: &'k [u8]) -> Option<(&'k [u8], &'k [u8])> {
        let len = if self.until.is_empty() { rest.len() } else { first_occurrence(rest, &self.until)? };
        let value = &rest[..len];
        self.kind.takes(value).then(|| (value, &rest[len + self.until.len()..]))
    }
}

fn first_occurrence(bytes: &[u8], literal: &[u8]) -> Option<usize> {
    match literal {
        [only] => bytes.iter().position(|byte| byte == only),
        _ => bytes.windows(literal.len()).position(|window| window == literal),
    }
}

impl ParameterKind {
    fn takes(self, value: &[u8]) -> bool {
        match self {
            Self::Text => !value.is_empty() && !value.contains(&b':'),
            Self::Int => canonical_int(value).is_some(),
            Self::Path => !value.is_empty(),
        }
    }
}

/// The integer `bytes` spells, if they are its one canonical decimal spelling and it fits 64 bits.
///
/// Two spellings of one number would be two keys for one row; only one of them may reach the origin.
pub fn canonical_int(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let canonical = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then_some(bytes).and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok())
}

/// The parameters of one key: slices of it, by name.
#[derive(Clone, Copy, Debug)]
pub struct Params<'p, 'k> {
    parameters: &'p [Parameter],
    values: [&'k [u8]; MAX_PARAMETERS],
}

impl<'p, 'k> Params<'p, 'k> {
    /// The value of the parameter called `name`.
    pub fn get(&self, name: &str) -> Option<&'k [u8]> {
        self.iter().find(|(parameter, _)| parameter.name() == name).map(|(_, value)| value)
    }

    /// Every parameter with its value, in the order in which they stand in the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&'p Parameter, &'k [u8])> + use<'p, 'k> {
        self.parameters.iter().zip(self.values)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// Whether the pattern has none.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a key pattern may not be empty"),
            Self::TooLong => write!(f, "a key pattern may have at most {MAX_PATTERN_LEN} bytes"),
            Self::Unclosed => f.write_str("a `{` is not closed (a literal brace is written twice: `{{`)"),
            Self::StrayBrace => f.write_str("a `}` closes nothing (a literal brace is written twice: `}}`)"),
            Self::BadName(name) => {
                write!(f, "`{name}` is not a parameter's name: a letter or `_`, then letters, digits or `_`")
            }
            Self::UnknownKind(kind) => {
                write!(f, "`{kind}` is not a kind of parameter: there are `{{name}}`, `{{name:int}}` and `{{name...}}`")
            }
            Self::Repeated(name) => write!(f, "two parameters are called `{name}`"),
            Self::TooManyParameters => write!(f, "a key pattern may have at most {MAX_PARAMETERS} parameters"),
            Self::Adjacent => f.write_str("nothing tells where a parameter ends: put a literal after it"),
            Self::StarInside => f.write_str("`*` matches any rest and so may only stand at the end"),
        }
    }
}

impl std::error::Error for PatternError {}
