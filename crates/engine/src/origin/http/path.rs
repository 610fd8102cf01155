//! A path template, `/users/{id}?fields={fields}`, and how the parts of a key get into it.
//!
//! Every byte of a parameter that RFC 3986 does not call unreserved is percent-encoded, so a parameter can add no
//! segment, query, fragment or host. Two things encoding cannot keep out are refused, as keys that name nothing: an
//! empty parameter, and one that holds `.` or `..` between slashes, since some servers decode `%2F` before they resolve
//! dots, and every URL parser resolves them.

use crate::origin::Params;
use crate::origin::query::{QueryError, bytes_of};

/// A parsed template.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::origin) struct PathTemplate {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Parameter(String),
}

impl PathTemplate {
    /// Parses a template; it must begin with exactly one slash and stay within visible ASCII.
    pub(in crate::origin) fn parse(text: &str) -> Result<Self, QueryError> {
        if text.trim().is_empty() {
            return Err(QueryError::Empty);
        }
        if !text.starts_with('/') || text.starts_with("//") {
            return Err(QueryError::Path("it must begin with one slash, the host comes from the origin's url"));
        }
        if let Some(refused) = text.bytes().find_map(refused_byte) {
            return Err(QueryError::Path(refused));
        }
        pieces(text).map(|pieces| Self { pieces })
    }

    /// The placeholders in order of appearance.
    pub(in crate::origin) fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The path for a key; `None` when its parts can name nothing here.
    pub(in crate::origin) fn render(&self, params: Params<'_>) -> Option<String> {
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Parameter(name) => push_encoded(&mut path, part(bytes_of(params, name))?),
            }
        }
        let segments = path.split(['?', '#']).next().unwrap_or_default().split('/');
        (!segments.into_iter().any(is_dots)).then_some(path)
    }
}

fn refused_byte(byte: u8) -> Option<&'static str> {
    match byte {
        b'#' => Some("a fragment is never sent"),
        b'\\' => Some("a backslash is read as a slash by some"),
        b'!'..=b'~' => None,
        _ => Some("blanks and bytes beyond ASCII must be percent-encoded"),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, QueryError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(QueryError::Unclosed("a brace"))?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(QueryError::Path("a placeholder is `{name}`: letters, digits and underscores"));
        }
        pieces.push(Piece::Text(literal(before)?));
        pieces.push(Piece::Parameter(name.to_owned()));
        rest = after;
    }
    pieces.push(Piece::Text(literal(rest)?));
    Ok(pieces)
}

fn literal(text: &str) -> Result<String, QueryError> {
    match text.contains('}') {
        true => Err(QueryError::Path("a closing brace without its opening one")),
        false => Ok(text.to_owned()),
    }
}

fn part(bytes: &[u8]) -> Option<&[u8]> {
    let between_slashes = bytes.split(|byte| *byte == b'/' || *byte == b'\\');
    let climbs = between_slashes.into_iter().any(|part| part == b"." || part == b"..");
    (!bytes.is_empty() && !climbs).then_some(bytes)
}

/// Two parameters side by side may make dots that neither holds; URL parsers read `%2e` as a dot too.
fn is_dots(segment: &str) -> bool {
    let segment = segment.to_ascii_lowercase().replace("%2e", ".");
    segment == "." || segment == ".."
}

fn push_encoded(path: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(*byte as char),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(template: &str, id: &[u8]) -> Option<String> {
        PathTemplate::parse(template).unwrap().render(&[("id", id)])
    }

    #[test]
    fn every_reserved_byte_is_encoded() {
        assert_eq!(rendered("/users/{id}", b"42").unwrap(), "/users/42");
        assert_eq!(
            rendered("/users/{id}.json", b"a/b?c#d&e=%2f@h:1").unwrap(),
            "/users/a%2Fb%3Fc%23d%26e%3D%252f%40h%3A1.json"
        );
        assert_eq!(rendered("/{id}", "ü \r\n\0".as_bytes()).unwrap(), "/%C3%BC%20%0D%0A%00");
        assert_eq!(rendered("/{id}", &[0xff]).unwrap(), "/%FF");
    }

    #[test]
    fn what_can_climb_or_vanish_names_nothing() {
        for id in ["", ".", "..", "../admin", "a/../b", "a/.", "..\\x"] {
            assert_eq!(rendered("/users/{id}", id.as_bytes()), None, "{id:?}");
        }
        let pair = PathTemplate::parse("/users/{a}{b}").unwrap();
        assert_eq!(pair.render(&[("a", b"."), ("b", b".")]), None);
        assert_eq!(rendered("/users/{id}", b"...").unwrap(), "/users/...");
        assert_eq!(PathTemplate::parse("/{id}").unwrap().render(&[]), None);
    }

    #[test]
    fn templates_that_name_another_host_or_nothing_are_refused() {
        for template in [
            "users/{id}",
            "//evil/{id}",
            "http://evil/{id}",
            "/a b",
            "/a#b",
            "/{",
            "/}",
            "/{}",
            "/{a b}",
            "/ü",
            "/\\evil",
        ] {
            assert!(PathTemplate::parse(template).is_err(), "{template}");
        }
        assert_eq!(PathTemplate::parse(" "), Err(QueryError::Empty));
    }

    proptest! {
        /// Whatever the bytes, the path keeps its one segment, and decoding gives the bytes back.
        #[test]
        fn a_parameter_stays_one_segment(id in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(path) = rendered("/users/{id}", &id) {
                let segment = path.strip_prefix("/users/").unwrap();
                prop_assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
                let mut decoded = Vec::new();
                let mut rest = segment.as_bytes();
                while let Some((first, after)) = rest.split_first() {
                    if *first == b'%' {
                        decoded.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                        rest = &after[2..];
                    } else {
                        decoded.push(*first);
                        rest = after;
                    }
                }
                prop_assert_eq!(decoded, id);
            }
        }
    }
}
