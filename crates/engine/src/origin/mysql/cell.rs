//! One column of MySQL's binary protocol as a cell.
//!
//! TIMESTAMP comes back in UTC, because the session's time zone is set so, and is written with `Z`; DATETIME knows no
//! zone and gets none. Days that are no days ("0000-00-00") are written as they are. MariaDB's JSON is plain text to
//! its clients and so is a JSON string here; MySQL's own JSON is nested as it is.

use sqlx::mysql::{MySqlRow, MySqlValueRef};
use sqlx::{Column, Decode, MySql, Row as _, TypeInfo, ValueRef};

use crate::origin::error::{Misfit, OriginError};
use crate::origin::fetched::{Cell, Row};
use crate::origin::pool::broken;

pub(super) fn row(row: &MySqlRow) -> Result<Row, OriginError> {
    row.columns()
        .iter()
        .map(|column| {
            let value = row.try_get_raw(column.ordinal()).map_err(|error| broken(&error))?;
            let cell = cell(value, column.type_info().name());
            let misfit =
                || Misfit::Type { column: column.name().to_owned(), type_name: column.type_info().name().to_owned() };
            Ok((column.name().to_owned(), cell.ok_or_else(|| OriginError::Shape(misfit()))?))
        })
        .collect()
}

/// `None`: a type without a text form, or bytes that are not of the type.
fn cell(value: MySqlValueRef<'_>, type_name: &str) -> Option<Cell> {
    // A zero date counts as NULL to the driver; it has no bytes of its own in the binary protocol.
    if value.is_null() {
        return Some(Cell::Null);
    }
    match type_name {
        "BOOLEAN" => decoded::<i8>(value).map(boolean),
        "FLOAT" => decoded::<f32>(value).map(|number| Cell::Literal(format!("{number:?}"))),
        "DOUBLE" => decoded::<f64>(value).map(Cell::float),
        "DECIMAL" | "JSON" => decoded::<&[u8]>(value).and_then(text).map(Cell::Literal),
        "DATE" => decoded::<&[u8]>(value).and_then(date).map(Cell::Text),
        "DATETIME" => decoded::<&[u8]>(value).and_then(moment).map(Cell::Text),
        "TIMESTAMP" => decoded::<&[u8]>(value).and_then(moment).map(|text| Cell::Text(text + "Z")),
        "TIME" => decoded::<&[u8]>(value).and_then(span).map(Cell::Text),
        "CHAR" | "VARCHAR" | "TEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
            decoded::<&[u8]>(value).and_then(text).map(Cell::Text)
        }
        "BINARY" | "VARBINARY" | "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "GEOMETRY" => {
            decoded::<&[u8]>(value).map(|bytes| Cell::Binary(bytes.to_vec()))
        }
        name if name == "BIT" || name == "YEAR" || name.ends_with("UNSIGNED") => {
            decoded::<u64>(value).map(|n| Cell::Literal(n.to_string()))
        }
        name if name.contains("INT") => decoded::<i64>(value).map(|number| Cell::Literal(number.to_string())),
        _ => None,
    }
}

fn decoded<'r, T: Decode<'r, MySql>>(value: MySqlValueRef<'r>) -> Option<T> {
    T::decode(value).ok()
}

/// TINYINT(1) is MySQL's boolean, but may hold other numbers.
fn boolean(number: i8) -> Cell {
    Cell::Literal(match number {
        0 => "false".to_owned(),
        1 => "true".to_owned(),
        other => other.to_string(),
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn date(bytes: &[u8]) -> Option<String> {
    let [year_low, year_high, month, day, ..] = *unprefixed(bytes) else { return None };
    Some(format!("{:04}-{month:02}-{day:02}", u16::from_le_bytes([year_low, year_high])))
}

fn moment(bytes: &[u8]) -> Option<String> {
    let day = date(bytes)?;
    let time = match unprefixed(bytes)[4..] {
        [hours, minutes, seconds, ref micros @ ..] => {
            format!("{hours:02}:{minutes:02}:{seconds:02}{}", fraction(micros))
        }
        _ => "00:00:00".to_owned(),
    };
    Some(format!("{day}T{time}"))
}

/// A TIME may be negative and exceed a day: sign, days, hours, minutes, seconds, microseconds.
fn span(bytes: &[u8]) -> Option<String> {
    match *unprefixed(bytes) {
        [] => Some("00:00:00".to_owned()),
        [negative, d0, d1, d2, d3, hours, minutes, seconds, ref micros @ ..] => {
            let hours = u64::from(u32::from_le_bytes([d0, d1, d2, d3])) * 24 + u64::from(hours);
            let sign = if negative == 0 { "" } else { "-" };
            Some(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(micros)))
        }
        _ => None,
    }
}

fn fraction(micros: &[u8]) -> String {
    match *micros {
        [a, b, c, d] => format!(".{:06}", u32::from_le_bytes([a, b, c, d])),
        _ => String::new(),
    }
}

/// Dates and times carry their own length in front.
fn unprefixed(bytes: &[u8]) -> &[u8] {
    match bytes.split_first() {
        Some((length, rest)) if usize::from(*length) == rest.len() => rest,
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_of_the_binary_protocol() {
        assert_eq!(date(&[4, 0xe8, 7, 2, 29]).as_deref(), Some("2024-02-29"));
        assert_eq!(moment(&[4, 0xe8, 7, 2, 29]).as_deref(), Some("2024-02-29T00:00:00"));
        assert_eq!(moment(&[7, 0xe8, 7, 2, 29, 1, 2, 3]).as_deref(), Some("2024-02-29T01:02:03"));
        assert_eq!(
            moment(&[11, 0xe8, 7, 2, 29, 1, 2, 3, 0x40, 0x42, 0x0f, 0]).as_deref(),
            Some("2024-02-29T01:02:03.1000000")
        );
        assert_eq!(span(&[0]).as_deref(), Some("00:00:00"));
        assert_eq!(span(&[8, 1, 1, 0, 0, 0, 2, 3, 4]).as_deref(), Some("-26:03:04"));
        assert_eq!((date(&[]), span(&[1, 1])), (None, None));
    }

    #[test]
    fn booleans_that_are_none_stay_numbers() {
        assert_eq!(boolean(1), Cell::Literal("true".into()));
        assert_eq!(boolean(5), Cell::Literal("5".into()));
    }
}
