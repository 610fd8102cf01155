//! Reads the text of a pattern once, from left to right.
//!
//! Literals are gathered into the place they belong to: the prefix before the first parameter, or the `until` of the
//! parameter they follow. A pattern that would leave the end of a parameter open is refused here, so that matching
//! has nothing to decide.

use super::{KeyPattern, MAX_PARAMETERS, MAX_PATTERN_LEN, Parameter, ParameterKind, PatternError, Tail};

pub(super) fn parse(text: &str) -> Result<KeyPattern, PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    if text.len() > MAX_PATTERN_LEN {
        return Err(PatternError::TooLong);
    }
    let mut reader = Reader { prefix: Vec::new(), parameters: Vec::new(), tail: Tail::End };
    let mut rest = text;
    while !rest.is_empty() {
        rest = reader.step(rest)?;
    }
    Ok(reader.finish(text))
}

struct Reader {
    prefix: Vec<u8>,
    parameters: Vec<(String, ParameterKind, Vec<u8>)>,
    tail: Tail,
}

impl Reader {
    /// Takes one piece off `rest` and gives what is left.
    fn step<'t>(&mut self, rest: &'t str) -> Result<&'t str, PatternError> {
        if self.tail == Tail::AnyRest {
            return Err(PatternError::StarInside);
        }
        match rest.as_bytes() {
            [b'{', b'{', ..] | [b'}', b'}', ..] => Ok(self.literal(rest, 1, 2)),
            [b'{', ..] => self.parameter(&rest[1..]),
            [b'}', ..] => Err(PatternError::StrayBrace),
            [b'*', ..] => self.star(&rest[1..]),
            _ => {
                let len = rest.find(['{', '}', '*']).unwrap_or(rest.len());
                Ok(self.literal(rest, len, len))
            }
        }
    }

    fn literal<'t>(&mut self, rest: &'t str, take: usize, skip: usize) -> &'t str {
        self.open_literal().extend_from_slice(&rest.as_bytes()[..take]);
        &rest[skip..]
    }

    fn parameter<'t>(&mut self, rest: &'t str) -> Result<&'t str, PatternError> {
        let (inside, after) = rest.split_once('}').ok_or(PatternError::Unclosed)?;
        self.ensure_separated()?;
        if self.parameters.len() == MAX_PARAMETERS {
            return Err(PatternError::TooManyParameters);
        }
        let (name, kind) = name_and_kind(inside)?;
        if self.parameters.iter().any(|(other, ..)| other == name) {
            return Err(PatternError::Repeated(name.to_owned()));
        }
        self.parameters.push((name.to_owned(), kind, Vec::new()));
        Ok(after)
    }

    fn star<'t>(&mut self, rest: &'t str) -> Result<&'t str, PatternError> {
        self.ensure_separated()?;
        self.tail = Tail::AnyRest;
        Ok(rest)
    }

    fn ensure_separated(&self) -> Result<(), PatternError> {
        match self.parameters.last() {
            Some((_, _, until)) if until.is_empty() => Err(PatternError::Adjacent),
            Some(_) | None => Ok(()),
        }
    }

    fn open_literal(&mut self) -> &mut Vec<u8> {
        match self.parameters.last_mut() {
            Some((_, _, until)) => until,
            None => &mut self.prefix,
        }
    }

    fn finish(self, text: &str) -> KeyPattern {
        let parameters = self.parameters.into_iter().map(|(name, kind, until)| Parameter {
            name: name.into_boxed_str(),
            kind,
            until: until.into_boxed_slice(),
        });
        KeyPattern {
            text: text.into(),
            prefix: self.prefix.into_boxed_slice(),
            parameters: parameters.collect(),
            tail: self.tail,
        }
    }
}

fn name_and_kind(inside: &str) -> Result<(&str, ParameterKind), PatternError> {
    let (name, kind) = match (inside.strip_suffix("..."), inside.split_once(':')) {
        (Some(name), _) => (name, ParameterKind::Path),
        (None, Some((name, "int"))) => (name, ParameterKind::Int),
        (None, Some((_, kind))) => return Err(PatternError::UnknownKind(kind.to_owned())),
        (None, None) => (inside, ParameterKind::Text),
    };
    if is_name(name) { Ok((name, kind)) } else { Err(PatternError::BadName(name.to_owned())) }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
