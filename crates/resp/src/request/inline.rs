//! Inline commands: one line of words, split as Redis' `sdssplitargs` splits it.
//!
//! `"..."` knows `\n \r \t \b \a \xHH` and otherwise takes the byte after a backslash as it is; `'...'` knows only `\'`. A
//! quote may open in the middle of a word but must close at its end. C's idea of blank space applies between words (it
//! includes vertical tab and form feed), while only space, tab, CR and LF end an unquoted word.
//!
//! A NUL byte hides the end of the line from Redis, which then waits until the line is too long; it gets that answer here
//! at once.

use memchr::memchr;

use super::ProtocolError;

/// The words of `line`, which does not include its line end.
pub(super) fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    if memchr(0, line).is_some() {
        return Err(ProtocolError::TooBigInline);
    }
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, after) = word(rest).ok_or(ProtocolError::UnbalancedQuotes)?;
        words.push(word);
        rest = after;
    }
}

/// The word at the start of `text` and what follows it, or `None` if its quotes do not balance.
fn word(mut text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match text {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some((word, text)),
            [b'"', quoted @ ..] => return close(double_quoted(quoted, &mut word)?).map(|rest| (word, rest)),
            [b'\'', quoted @ ..] => return close(single_quoted(quoted, &mut word)?).map(|rest| (word, rest)),
            [byte, rest @ ..] => {
                word.push(*byte);
                text = rest;
            }
        }
    }
}

/// What follows a closing quote, which must be nothing or a blank.
fn close(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|byte| is_blank(*byte)).then_some(rest)
}

fn double_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, rest) = match text {
            [] => return None,
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) << 4 | hex_digit(*low), rest)
            }
            [b'\\', escaped, rest @ ..] => (unescape(*escaped), rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        word.push(byte);
        text = rest;
    }
}

fn single_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, rest) = match text {
            [] => return None,
            [b'\'', rest @ ..] => return Some(rest),
            [b'\\', b'\'', rest @ ..] => (b'\'', rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        word.push(byte);
        text = rest;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let split = split(line.as_bytes()).unwrap();
        split.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words(" \t\x0b "), Vec::<String>::new());
        assert_eq!(words("  GET   user:42 "), ["GET", "user:42"]);
        assert_eq!(words(r#"SET k "a b\n\x41\q\"""#), ["SET", "k", "a b\nAq\""]);
        assert_eq!(words(r"SET k 'it\'s \n'"), ["SET", "k", r"it's \n"]);
        assert_eq!(words(r#"ab"c d" e"#), ["abc d", "e"]);
        assert_eq!(words(r#""" ''"#), ["", ""]);
        assert_eq!(words("a\x0bb\rc"), ["a\x0bb", "c"]);
        assert_eq!(words(r#""\x4""#), ["x4"]);
    }

    #[test]
    fn quotes_that_do_not_balance() {
        for line in ["\"a", "'a", "\"a\"b", "'a'b", "\"a\\", "a\"", "'\\'"] {
            assert_eq!(split(line.as_bytes()), Err(ProtocolError::UnbalancedQuotes), "{line}");
        }
        assert_eq!(split(b"GET \0 k"), Err(ProtocolError::TooBigInline));
    }
}
