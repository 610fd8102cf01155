//! The forms a part of a key may take when it is bound to a typed column.
//!
//! Strict on purpose: `042`, `4.2e1` and ` 42` all mean 42 to some database, but to Redis they are other keys, and a
//! value cached under an alias is never invalidated with its row. So only the canonical form of a whole number names a
//! row, and whatever cannot be of the column's type names none.

/// What a route's pattern says of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// Any bytes.
    Text,
    /// A whole number in canonical decimal form; anything else names no row.
    Int,
}

/// The whole number, when the bytes are its one canonical form.
pub(super) fn canonical_int(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical =
        digits == "0" && number == 0 && text == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    canonical.then_some(number)
}

/// Whether the text is a day of the calendar, `YYYY-MM-DD`, of the years 1 to 9999.
pub(super) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = &bytes[range];
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return false };
    year > 0 && day > 0 && day <= days_in(year, month)
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// Whether the text is a decimal number of at most `most` characters, without exponent, blank or plus sign.
pub(super) fn is_decimal(text: &str, most: usize) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= most && digits(whole) && digits(fraction)
}

/// Whether the text is a UUID in its usual form of 36 characters (RFC 9562), in either case.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_whole_number() {
        for (text, number) in
            [("0", 0), ("42", 42), ("-7", -7), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(canonical_int(text.as_bytes()), Some(number), "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "042",
            "+42",
            " 42",
            "42 ",
            "4.2e1",
            "42abc",
            "0x2a",
            "4\u{0}",
            "9223372036854775808",
            "٤٢",
        ] {
            assert_eq!(canonical_int(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(canonical_int(&[0xff]), None);
    }

    #[test]
    fn days_of_the_calendar() {
        for day in ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
            assert!(is_date(day), "{day}");
        }
        for day in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "2024-1-1",
            "0000-01-01",
            "2024-01-01x",
            "２０24-1",
        ] {
            assert!(!is_date(day), "{day}");
        }
    }

    #[test]
    fn decimals_and_uuids() {
        assert!(is_decimal("-12.50", 10) && is_decimal("0", 1));
        assert!(!["", "-", ".5", "5.", "1e3", "NaN", " 1", "1.2.3", "--1"].iter().any(|text| is_decimal(text, 10)));
        assert!(!is_decimal("123", 2));
        assert!(is_uuid("6F9619FF-8b86-d011-b42d-00c04fc964ff"));
        assert!(!is_uuid("6F9619FF8b86d011b42d00c04fc964ff") && !is_uuid("6F9619FF-8b86-d011-b42d-00c04fc964fg"));
    }
}
