//! Header lines: one type byte, a canonical number, CR LF.
//!
//! The number is read as Redis' `string2ll` reads it: no sign but `-`, no leading zero, no `-0`, nothing around it. Redis
//! then skips two bytes after the digits without looking; a byte there that is not LF would mean something else to us
//! than to the next parser, so here it is an error.
//!
//! A line that is whole on first sight takes the fast path. One that is not is searched for its CR from where the last
//! search stopped, so a line fed byte by byte is read about twice, not once per byte.

use memchr::memchr;

use crate::work;

/// Longest canonical 64-bit number, `-9223372036854775808`.
const LONGEST_NUMBER: usize = 20;
/// Digits the fast path reads; longer numbers are rare and go the long way.
const FAST_DIGITS: usize = 9;

/// What a header line says so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The number, and where the next line begins.
    Number(i64, usize),
    /// No line end yet; search on from this offset.
    More(usize),
}

/// Why a header line can never become valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    TooLong,
    NotCanonical,
}

/// Reads the header line whose type byte is at `at`, having searched up to `searched` before (`at` if never).
#[inline]
pub(crate) fn header(buf: &[u8], at: usize, searched: usize, longest: usize) -> Result<Header, BadHeader> {
    if searched == at
        && let Some((value, next)) = small_number(buf, at + 1)
    {
        return Ok(Header::Number(value as i64, next));
    }
    slow_header(buf, at, searched, longest)
}

/// A canonical number of few digits and no sign with its line end, all of it there, and where the next line begins.
#[inline(always)]
pub(crate) fn small_number(buf: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = buf.get(at..)?;
    let (first, mut rest) = line.split_first()?;
    let mut value = usize::from(first.wrapping_sub(b'0'));
    if value > 9 {
        return None;
    }
    let most = if value == 0 { 1 } else { FAST_DIGITS };
    for digits in 1..=most {
        let (byte, after) = rest.split_first()?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            work::examined(digits + 2);
            let ended = *byte == b'\r' && *after.first()? == b'\n';
            return ended.then_some((value, at + digits + 2));
        }
        value = value * 10 + usize::from(digit);
        rest = after;
    }
    None
}

#[cold]
fn slow_header(buf: &[u8], at: usize, searched: usize, longest: usize) -> Result<Header, BadHeader> {
    let window = &buf[searched..buf.len().min(at.saturating_add(longest).saturating_add(1))];
    work::examined(window.len());
    let Some(cr) = memchr(b'\r', window).map(|found| searched + found) else {
        if buf.len() - at > longest {
            return Err(BadHeader::TooLong);
        }
        return Ok(Header::More(buf.len()));
    };
    match buf.get(cr + 1) {
        None => Ok(Header::More(cr)),
        Some(b'\n') => {
            canonical(&buf[at + 1..cr]).map(|value| Header::Number(value, cr + 2)).ok_or(BadHeader::NotCanonical)
        }
        Some(_) => Err(BadHeader::NotCanonical),
    }
}

/// A number as Redis' `string2ll` accepts it, or `None`.
pub(crate) fn canonical(text: &[u8]) -> Option<i64> {
    if text.len() > LONGEST_NUMBER {
        return None;
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_those_of_string2ll() {
        assert_eq!(canonical(b"0"), Some(0));
        assert_eq!(canonical(b"-1"), Some(-1));
        assert_eq!(canonical(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(canonical(b"-9223372036854775808"), Some(i64::MIN));
        let refused: [&[u8]; 11] = [
            b"",
            b"-",
            b"-0",
            b"+3",
            b"003",
            b"00",
            b" 3",
            b"3 ",
            b"3a",
            b"9223372036854775808",
            b"111111111111111111111",
        ];
        for text in refused {
            assert_eq!(canonical(text), None, "{text:?}");
        }
    }

    #[test]
    fn fast_and_slow_paths_agree() {
        for text in ["0", "7", "-1", "12", "007", "1234567890", "12345678901", "-0", "+1", "1x", ""] {
            let line = format!("*{text}\r\n");
            let fast = header(line.as_bytes(), 0, 0, 100);
            let slow = slow_header(line.as_bytes(), 0, 0, 100);
            assert_eq!(fast, slow, "{text}");
        }
    }

    #[test]
    fn waits_for_its_line_end_and_no_longer_than_the_limit() {
        assert_eq!(header(b"*", 0, 0, 4), Ok(Header::More(1)));
        assert_eq!(header(b"*1", 0, 0, 4), Ok(Header::More(2)));
        assert_eq!(header(b"*1\r", 0, 2, 4), Ok(Header::More(2)));
        assert_eq!(header(b"*1\r\n", 0, 2, 4), Ok(Header::Number(1, 4)));
        assert_eq!(header(b"*1\rX", 0, 2, 4), Err(BadHeader::NotCanonical));
        assert_eq!(header(b"*123", 0, 0, 4), Ok(Header::More(4)));
        assert_eq!(header(b"*1234", 0, 4, 4), Err(BadHeader::TooLong));
        assert_eq!(header(b"*123\r\n", 0, 0, 4), Ok(Header::Number(123, 6)));
    }
}
