//! How a part of a key is bound where PostgreSQL wants a value of a certain type.
//!
//! Always as text (or bytea), cast by the statement to the wanted type, and checked here first so that the cast cannot
//! fail: what PostgreSQL would refuse as `invalid input syntax` names no row, and a hostile key raises no error. Types
//! whose every valid form cannot be checked here are refused with advice rather than tried.

use std::ops::RangeInclusive;

use crate::origin::parameter::{ParameterKind, canonical_int, is_date, is_decimal, is_uuid};

/// The form a placeholder's value must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text { cast: &'static str },
    Bytes,
    Int { cast: &'static str, range: RangeInclusive<i64> },
    Decimal { cast: &'static str, most_digits: usize },
    Bool,
    Date,
    Uuid,
}

/// A value ready to be bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Text(String),
    Bytes(Vec<u8>),
}

impl Form {
    /// The form for a type as the server names it; `None` for types that are not bound to.
    pub(super) fn of(type_name: &str) -> Option<Self> {
        Some(match type_name.to_ascii_uppercase().as_str() {
            "TEXT" | "VARCHAR" | "UNKNOWN" => Self::Text { cast: "text" },
            "CHAR" => Self::Text { cast: "bpchar" },
            "CITEXT" => Self::Text { cast: "citext" },
            "BYTEA" => Self::Bytes,
            "INT2" => Self::Int { cast: "int2", range: i16::MIN.into()..=i16::MAX.into() },
            "INT4" => Self::Int { cast: "int4", range: i32::MIN.into()..=i32::MAX.into() },
            "INT8" => Self::Int { cast: "int8", range: i64::MIN..=i64::MAX },
            // Digits few enough that the number is inside the type's range on both sides.
            "FLOAT4" => Self::Decimal { cast: "float4", most_digits: 30 },
            "FLOAT8" => Self::Decimal { cast: "float8", most_digits: 100 },
            "NUMERIC" => Self::Decimal { cast: "numeric", most_digits: 1000 },
            "BOOL" => Self::Bool,
            "DATE" => Self::Date,
            "UUID" => Self::Uuid,
            _ => return None,
        })
    }

    /// What the placeholder `$number` is written as.
    pub(super) fn placeholder(&self, number: usize) -> String {
        match self {
            Self::Bytes => format!("CAST(${number} AS bytea)"),
            form => format!("CAST(CAST(${number} AS text) AS {})", form.cast()),
        }
    }

    fn cast(&self) -> &'static str {
        match self {
            Self::Text { cast } | Self::Int { cast, .. } | Self::Decimal { cast, .. } => cast,
            Self::Bytes => "bytea",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Uuid => "uuid",
        }
    }

    /// The bytes of a key in this form; `None` when they cannot have it, so that no row can have them.
    pub(super) fn bind(&self, kind: ParameterKind, bytes: &[u8]) -> Option<Bound> {
        let fits_the_pattern = match kind {
            ParameterKind::Int => canonical_int(bytes).is_some(),
            ParameterKind::Text => true,
        };
        if !fits_the_pattern {
            return None;
        }
        if *self == Self::Bytes {
            return Some(Bound::Bytes(bytes.to_vec()));
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let fits = match self {
            Self::Text { .. } => !text.contains('\0'),
            Self::Int { range, .. } => range.contains(&canonical_int(bytes)?),
            Self::Decimal { most_digits, .. } => is_decimal(text, *most_digits),
            Self::Bool => text == "true" || text == "false",
            Self::Date => is_date(text),
            Self::Uuid => is_uuid(text),
            Self::Bytes => false,
        };
        fits.then(|| Bound::Text(text.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn binds(type_name: &str, bytes: &[u8]) -> bool {
        Form::of(type_name).unwrap().bind(ParameterKind::Text, bytes).is_some()
    }

    #[test]
    fn only_what_the_type_can_hold_is_bound() {
        for (type_name, fits, not) in [
            ("INT2", "32767", "32768"),
            ("INT4", "-2147483648", "2147483648"),
            ("INT8", "9223372036854775807", "9223372036854775808"),
            ("INT4", "42", "042"),
            ("TEXT", "' OR 1=1 --", "a\0b"),
            ("UUID", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}"),
            ("DATE", "2024-02-29", "tomorrow"),
            ("BOOL", "true", "yes"),
            ("NUMERIC", "1.50", "Infinity"),
            ("FLOAT4", "1.5", "100000000000000000000000000000000000000000"),
        ] {
            assert!(binds(type_name, fits.as_bytes()) && !binds(type_name, not.as_bytes()), "{type_name}");
        }
    }

    #[test]
    fn bytes_are_for_bytea_only() {
        assert!(binds("BYTEA", &[0xff, 0]) && !binds("TEXT", &[0xff]));
    }

    #[test]
    fn a_parameter_declared_int_stays_one_whatever_the_column() {
        assert_eq!(Form::of("TEXT").unwrap().bind(ParameterKind::Int, b"042"), None);
    }

    #[test]
    fn types_that_cannot_be_checked_are_not_bound_to() {
        assert!(["TIMESTAMPTZ", "INET", "mood", "INT4[]", "NAME", "JSONB"].iter().all(|name| Form::of(name).is_none()));
    }
}
