//! What a reply is, from its first line, without reading the rest.
//!
//! These functions take a frame whose boundary [`ReplyScanner`](super::ReplyScanner) has found. On other bytes they
//! return `None` or something meaningless, but they do not panic. An attribute in front is stepped over.
//!
//! Only the type byte decides: a *value* that reads "MOVED 1 ..." is a [`Head::Bulk`], never a redirection.

use memchr::memchr;

use super::elements::after_attributes;
use crate::line::{self, Header};

/// The kinds of reply that have children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// `*`
    Array,
    /// `%`, pairs of key and value
    Map,
    /// `~`
    Set,
    /// `>`, out of band
    Push,
    /// `|`, pairs that annotate the value behind them
    Attribute,
}

impl Aggregate {
    pub(super) fn of(kind: u8) -> Option<Self> {
        match kind {
            b'*' => Some(Self::Array),
            b'%' => Some(Self::Map),
            b'~' => Some(Self::Set),
            b'>' => Some(Self::Push),
            b'|' => Some(Self::Attribute),
            _ => None,
        }
    }

    pub(super) fn values_per_element(self) -> usize {
        match self {
            Self::Map | Self::Attribute => 2,
            Self::Array | Self::Set | Self::Push => 1,
        }
    }
}

/// The first line of a reply, and the whole of it if it has no children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// `+`: the text.
    Simple(&'a [u8]),
    /// `-` or `!`: the message, its first word the code.
    Error(&'a [u8]),
    /// `:`
    Integer(i64),
    /// `$-1`, `*-1` or `_`: absent.
    Nil,
    /// `$` or `=`: the bytes; a verbatim string without its format.
    Bulk(&'a [u8]),
    /// `,`: as text; Redis writes `inf`, `-inf` and `nan` too.
    Double(&'a [u8]),
    /// `#`
    Boolean(bool),
    /// `(`: as text.
    BigNumber(&'a [u8]),
    /// An array, set or map of `len` elements (a map: pairs).
    Aggregate {
        /// Which of them.
        kind: Aggregate,
        /// How many elements or pairs.
        len: usize,
    },
    /// An out-of-band message of `len` elements, answering no request.
    Push {
        /// How many elements.
        len: usize,
    },
}

/// What the reply in `frame` is; `None` if it is no whole frame.
#[inline]
pub fn head(frame: &[u8]) -> Option<Head<'_>> {
    let frame = after_attributes(frame)?;
    match *frame.first()? {
        b'$' => blob(frame).map(|bytes| bytes.map_or(Head::Nil, Head::Bulk)),
        b'=' => blob(frame)?.and_then(|bytes| bytes.get(4..)).map(Head::Bulk),
        b'!' => blob(frame)?.map(Head::Error),
        b'+' => text(frame).map(Head::Simple),
        b'-' => text(frame).map(Head::Error),
        b':' => integer(text(frame)?).map(Head::Integer),
        b'_' => Some(Head::Nil),
        b'#' => Some(Head::Boolean(text(frame)? == b"t")),
        b',' => text(frame).map(Head::Double),
        b'(' => text(frame).map(Head::BigNumber),
        other => aggregate(frame, Aggregate::of(other)?),
    }
}

/// Whether `frame` is an out-of-band message.
#[inline]
pub fn is_push(frame: &[u8]) -> bool {
    after_attributes(frame).is_some_and(|frame| frame.first() == Some(&b'>'))
}

/// The first word of an error message: its code.
#[inline]
pub fn error_word(message: &[u8]) -> &[u8] {
    &message[..memchr(b' ', message).unwrap_or(message.len())]
}

/// The number of elements the header of `frame` announces, and where the first begins.
pub(super) fn count(frame: &[u8]) -> Option<(Option<usize>, usize)> {
    match line::header(frame, 0, 0, frame.len()).ok()? {
        Header::Number(number, next) => Some((usize::try_from(number).ok(), next)),
        Header::More(_) => None,
    }
}

fn aggregate(frame: &[u8], kind: Aggregate) -> Option<Head<'_>> {
    Some(match (count(frame)?.0, kind) {
        (None, _) => Head::Nil,
        (Some(len), Aggregate::Push) => Head::Push { len },
        (Some(len), kind) => Head::Aggregate { kind, len },
    })
}

#[inline]
fn blob(frame: &[u8]) -> Option<Option<&[u8]>> {
    match count(frame)? {
        (Some(len), start) => frame.get(start..start.checked_add(len)?).map(Some),
        (None, _) => Some(None),
    }
}

fn text(frame: &[u8]) -> Option<&[u8]> {
    frame[1..].strip_suffix(b"\r\n")
}

fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
