//! Durations and sizes as an operator writes them: text with a unit, "200ms" or "64MiB".
//!
//! A bare number is refused: nobody remembers whether a timeout of 5 was seconds. Sizes are counted in powers of two
//! only, because `MB` means two things and `MiB` one.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(crate) struct WrittenDuration(pub(crate) Duration);

/// A number of bytes in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(crate) struct WrittenSize(pub(crate) u64);

impl WrittenDuration {
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(crate) const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Self).map_err(|_| {
            format!("`{text}` is not a duration: write a number with a unit, such as \"200ms\", \"5s\" or \"10m\"")
        })
    }
}

impl WrittenSize {
    pub(crate) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        bytes_of(text).map(Self).ok_or_else(|| {
            format!("`{text}` is not a size: write a whole number with B, KiB, MiB, GiB or TiB, such as \"64MiB\"")
        })
    }
}

fn bytes_of(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let digits = text.trim_end_matches(|last: char| !last.is_ascii_digit());
    let unit = text[digits.len()..].trim_start();
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*bytes)
}

impl fmt::Display for WrittenDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

impl fmt::Display for WrittenSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        match UNITS.iter().find(fits) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => f.write_str("0"),
        }
    }
}

impl Serialize for WrittenDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for WrittenSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WrittenDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for WrittenSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for WrittenDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-kind": "duration" })
    }
}

impl JsonSchema for WrittenSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-kind": "size" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(WrittenDuration::parse("200ms"), Ok(WrittenDuration::millis(200)));
        assert_eq!(WrittenDuration::parse("1m 30s"), Ok(WrittenDuration::secs(90)));
        for text in ["5", "", "ms", "-5ms", "5 parsecs"] {
            assert!(WrittenDuration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_whole_and_in_powers_of_two() {
        assert_eq!(WrittenSize::parse("64MiB"), Ok(WrittenSize::mib(64)));
        assert_eq!(WrittenSize::parse("1 KiB"), Ok(WrittenSize(1024)));
        assert_eq!(WrittenSize::parse("0"), Ok(WrittenSize(0)));
        for text in ["64", "64MB", "1.5MiB", "MiB", "", "-1B", "99999999999TiB"] {
            assert!(WrittenSize::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for duration in [WrittenDuration::millis(5), WrittenDuration::secs(90), WrittenDuration::default()] {
            assert_eq!(WrittenDuration::parse(&duration.to_string()), Ok(duration));
        }
        for size in [WrittenSize(0), WrittenSize(1), WrittenSize(1025 << 10), WrittenSize::mib(512)] {
            assert_eq!(WrittenSize::parse(&size.to_string()), Ok(size));
        }
    }
}
