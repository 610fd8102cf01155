//! One step of finding a reply's end: the value or header at a given offset.
//!
//! Kept free of the scanner's stack so that the hot loop has a single branchy function to call, and so that the common
//! small replies (a complete bulk, nil, integer or status) are decided here without touching any state.

use memchr::memchr;

use super::head::Aggregate;
use super::{Pending, ReplyError};
use crate::limits::Limits;
use crate::line::{self, BadHeader, Header};
use crate::work;

/// No length needs a longer line; anything beyond is not a length.
const LONGEST_LENGTH_LINE: usize = 24;
/// Longest integer, double, boolean or null line: 64-bit numbers and 17 significant digits fit many times.
const LONGEST_SCALAR_LINE: usize = 512;

/// What stands at an offset.
pub(super) enum Item {
    /// A complete value without children; the next one begins here.
    Whole(usize),
    /// An aggregate's header.
    Opens(Opened),
    /// Not all there yet.
    Partial(Pending),
}

/// An aggregate's header.
pub(super) struct Opened {
    pub(super) kind: Aggregate,
    /// How many values follow; two for each pair of a map.
    pub(super) values: usize,
    /// Where the first of them begins.
    pub(super) next: usize,
}

/// Reads what begins at `at`, its first line having been searched up to `searched`.
#[inline]
pub(super) fn item(buf: &[u8], at: usize, searched: usize, limits: &Limits) -> Result<Item, ReplyError> {
    let Some(&kind) = buf.get(at) else {
        return Ok(Item::Partial(Pending::Line { searched: at }));
    };
    match kind {
        b'$' => match buf.get(at + 1..at + 5) {
            Some(b"-1\r\n") => Ok(Item::Whole(at + 5)),
            _ => blob(buf, at, searched, limits),
        },
        b'!' | b'=' => blob(buf, at, searched, limits),
        b':' | b',' | b'#' | b'_' => text_line(buf, at, searched, LONGEST_SCALAR_LINE),
        b'+' | b'-' | b'(' => text_line(buf, at, searched, limits.max_line),
        other => match Aggregate::of(other) {
            Some(kind) => open(buf, at, searched, kind, limits),
            None => Err(ReplyError::UnknownType(other)),
        },
    }
}

/// Where the bulk string at `at` ends, if all of it is there and nothing about it is wrong.
#[inline(always)]
pub(super) fn whole_bulk(buf: &[u8], at: usize, limits: &Limits) -> Option<usize> {
    if *buf.get(at)? != b'$' {
        return None;
    }
    let (len, start) = line::small_number(buf, at + 1)?;
    let end = start + len;
    let whole = len <= limits.max_bulk && buf.get(end..end + 2)? == b"\r\n";
    whole.then_some(end + 2)
}

/// A string whose place is known: whole once its line end is there.
#[inline]
pub(super) fn payload(buf: &[u8], end: usize) -> Result<Item, ReplyError> {
    match buf.get(end - 2..end) {
        Some(b"\r\n") => {
            work::examined(2);
            Ok(Item::Whole(end))
        }
        Some(_) => Err(ReplyError::MissingLineEnd),
        None => Ok(Item::Partial(Pending::Payload { end })),
    }
}

#[inline]
fn blob(buf: &[u8], at: usize, searched: usize, limits: &Limits) -> Result<Item, ReplyError> {
    match length(buf, at, searched)? {
        Length::Of(len, _) if len > limits.max_bulk => Err(ReplyError::BulkTooLong),
        Length::Of(len, _) if buf[at] == b'=' && len < 4 => Err(ReplyError::InvalidLength),
        Length::Of(len, start) => payload(buf, start + len + 2),
        Length::Nil(end) if buf[at] == b'$' => Ok(Item::Whole(end)),
        Length::Nil(_) => Err(ReplyError::InvalidLength),
        Length::More(searched) => Ok(Item::Partial(Pending::Line { searched })),
    }
}

#[inline]
fn open(buf: &[u8], at: usize, searched: usize, kind: Aggregate, limits: &Limits) -> Result<Item, ReplyError> {
    match length(buf, at, searched)? {
        Length::Of(len, _) if len > limits.max_elements => Err(ReplyError::TooManyElements),
        Length::Of(len, next) => {
            let values = len.checked_mul(kind.values_per_element()).ok_or(ReplyError::TooManyElements)?;
            Ok(Item::Opens(Opened { kind, values, next }))
        }
        Length::Nil(end) if kind == Aggregate::Array => Ok(Item::Whole(end)),
        Length::Nil(_) => Err(ReplyError::InvalidLength),
        Length::More(searched) => Ok(Item::Partial(Pending::Line { searched })),
    }
}

enum Length {
    Of(usize, usize),
    /// `-1`: absent.
    Nil(usize),
    More(usize),
}

#[inline]
fn length(buf: &[u8], at: usize, searched: usize) -> Result<Length, ReplyError> {
    match line::header(buf, at, searched, LONGEST_LENGTH_LINE) {
        Ok(Header::Number(-1, next)) => Ok(Length::Nil(next)),
        Ok(Header::Number(len, next)) => {
            usize::try_from(len).map(|len| Length::Of(len, next)).map_err(|_| ReplyError::InvalidLength)
        }
        Ok(Header::More(searched)) => Ok(Length::More(searched)),
        Err(BadHeader::TooLong | BadHeader::NotCanonical) => Err(ReplyError::InvalidLength),
    }
}

#[inline]
fn text_line(buf: &[u8], at: usize, searched: usize, longest: usize) -> Result<Item, ReplyError> {
    let longest_line = longest.saturating_add(1);
    let window = &buf[searched..buf.len().min(at.saturating_add(longest_line).saturating_add(1))];
    let found = memchr(b'\r', window);
    work::examined(found.unwrap_or(window.len()));
    let Some(cr) = found.map(|found| searched + found) else {
        if buf.len() - at > longest_line {
            return Err(ReplyError::LineTooLong);
        }
        return Ok(Item::Partial(Pending::Line { searched: buf.len() }));
    };
    match buf.get(cr + 1) {
        None => Ok(Item::Partial(Pending::Line { searched: cr })),
        Some(b'\n') if reads_as(buf[at], &buf[at + 1..cr]) => Ok(Item::Whole(cr + 2)),
        Some(b'\n') => Err(ReplyError::InvalidScalar),
        Some(_) => Err(ReplyError::MissingLineEnd),
    }
}

/// Whether `text` is a value of the type `kind`. A script may call anything a big number, and Redis sends it as it is.
#[inline]
fn reads_as(kind: u8, text: &[u8]) -> bool {
    match kind {
        b':' => is_number(text) && std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok()),
        b'#' => matches!(text, b"t" | b"f"),
        b'_' => text.is_empty(),
        b',' => is_double(text),
        _ => true,
    }
}

fn is_number(text: &[u8]) -> bool {
    let digits = match text {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn is_double(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}
