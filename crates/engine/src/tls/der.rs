//! Until when a certificate is valid: the one thing read from it here, because rustls does not tell.
//!
//! Walks the outermost fields of a certificate (RFC 5280, 4.1) by their lengths. What does not look as it must is `None`;
//! nothing is decided by it but a metric and a warning, the verification is rustls' own.

/// When the certificate ends to be valid, in seconds since 1970.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (certificate, _) = contents(certificate, SEQUENCE)?;
    let (mut fields, _) = contents(certificate, SEQUENCE)?;
    if let Some((_, after_version)) = contents(fields, VERSION) {
        fields = after_version;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = contents(fields, tag)?;
    }
    let (validity, _) = contents(fields, SEQUENCE)?;
    let (_, _, after) = any(validity)?;
    let (tag, time, _) = any(after)?;
    match tag {
        UTC_TIME => seconds(two_digit_year(time)?, time.get(2..)?),
        GENERALIZED_TIME => seconds(number(time.get(..4)?)?, time.get(4..)?),
        _ => None,
    }
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// What stands in the value of this tag at the front, and what follows it.
fn contents(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, after) = any(bytes)?;
    (tag == wanted).then_some((contents, after))
}

/// Tag, contents and what follows, of the value at the front.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, after) = rest.split_at_checked(len)?;
    Some((tag, contents, after))
}

/// RFC 5280: 50 and above are of the twentieth century.
fn two_digit_year(time: &[u8]) -> Option<i64> {
    let year = number(time.get(..2)?)?;
    Some(if year < 50 { 2000 + year } else { 1900 + year })
}

/// `MMDDHHMMSSZ` of a year.
fn seconds(year: i64, rest: &[u8]) -> Option<i64> {
    let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|at| rest.get(at..at + 2).and_then(number));
    let days = days_from_civil(year, month.filter(|month| (1..=12).contains(month))?, day?);
    (rest.get(10..)? == b"Z").then_some(((days * 24 + hour?) * 60 + minute?) * 60 + second?)
}

/// Days from 1970 to a date (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use failsoft_testkit::certificates::{Authority, Leaf};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let issued = Authority::new("a").issue(Leaf::for_name("h").valid_until((2031, 2, 28)));
        let certificate = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap();
        assert_eq!(not_after(&certificate), Some(1_930_003_200));
        let issued = Authority::new("a").issue(Leaf::for_name("h").valid_until((2060, 12, 31)));
        let certificate = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap();
        assert_eq!(not_after(&certificate), Some(2_871_676_800));
    }

    #[test]
    fn no_prefix_of_a_certificate_and_no_changed_byte_is_more_than_none_or_a_time() {
        let issued = Authority::new("a").issue(Leaf::for_name("h"));
        let certificate = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap();
        assert!((0..certificate.len()).all(|len| not_after(&certificate[..len]).is_none()));
        for at in 0..certificate.len() {
            let mut changed = certificate.to_vec();
            changed[at] ^= 0xff;
            // Only that it ends, and ends without a panic.
            let _ = not_after(&changed);
        }
    }
}
