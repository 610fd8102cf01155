//! One fetched row, whatever database it came from, and how it becomes a value of the route's shape.
//!
//! Decided here for every database alike. Exact decimals (`numeric`) become JSON numbers with all their digits, since
//! that is what the databases' own JSON functions do. Moments become RFC 3339 text, with an offset exactly where the
//! column knows one. Binary columns are base64 inside JSON and plain bytes elsewhere. NULL is `null` in JSON, no field
//! in a hash; a raw value that is NULL, like a hash without fields, is no value at all: Redis has neither.

use bytes::Bytes;

use super::base64;
use super::error::{Misfit, OriginError};
use crate::value::{Shape, Value};

/// One column's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// NULL.
    Null,
    /// Text; a JSON string.
    Text(String),
    /// Bytes; base64 in JSON.
    Binary(Vec<u8>),
    /// Something whose text form is its JSON form: a number with all its digits, `true`, or JSON itself.
    Literal(String),
}

impl Cell {
    /// A floating point number; JSON has no word for those that are not finite, so they are text.
    pub(super) fn float(number: f64) -> Self {
        if number.is_finite() { Self::Literal(format!("{number:?}")) } else { Self::Text(number.to_string()) }
    }

    fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Null => None,
            Self::Text(text) | Self::Literal(text) => Some(Bytes::from(text)),
            Self::Binary(bytes) => Some(Bytes::from(bytes)),
        }
    }

    fn into_json(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => json_string(&text),
            Self::Binary(bytes) => json_string(&base64::encode(&bytes)),
            Self::Literal(literal) => literal,
        }
    }
}

/// A row: its columns in the statement's order.
pub(super) type Row = Vec<(String, Cell)>;

/// The value of the rows a statement gave. `max_value` bounds its payload in bytes.
pub(super) fn value(shape: Shape, rows: Vec<Row>, max_value: usize) -> Result<Option<Value>, OriginError> {
    let mut rows = rows.into_iter();
    let (first, second) = (rows.next(), rows.next());
    if second.is_some() {
        return Err(OriginError::Shape(Misfit::ManyRows));
    }
    let value = match (first, shape) {
        (None, _) => None,
        (Some(row), Shape::Raw) => raw(row)?,
        (Some(row), Shape::Json) => Some(json(row)?),
        (Some(row), Shape::Hash) => hash(row)?,
    };
    bounded(value, max_value)
}

/// Refuses a value over the bound.
pub(super) fn bounded(value: Option<Value>, max_value: usize) -> Result<Option<Value>, OriginError> {
    match value {
        Some(value) if value.payload_len() > max_value => Err(OriginError::TooLarge { limit: max_value }),
        value => Ok(value),
    }
}

/// Whether a statement giving these columns can make values of this shape, asked before any row is there.
pub(super) fn check_columns<'a>(shape: Shape, columns: impl IntoIterator<Item = &'a str>) -> Result<(), Misfit> {
    let mut names: Vec<&str> = columns.into_iter().collect();
    match shape {
        Shape::Raw if names.len() != 1 => return Err(Misfit::Columns { found: names.len() }),
        Shape::Raw => return Ok(()),
        Shape::Json | Shape::Hash => names.sort_unstable(),
    }
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Misfit::SameName(pair[0].to_owned())),
        None => Ok(()),
    }
}

fn raw(row: Row) -> Result<Option<Value>, OriginError> {
    let found = row.len();
    let mut cells = row.into_iter();
    match (cells.next(), cells.next()) {
        (Some((_, cell)), None) => Ok(cell.into_bytes().map(Value::Raw)),
        (Some(_), Some(_)) | (None, _) => Err(OriginError::Shape(Misfit::Columns { found })),
    }
}

fn json(row: Row) -> Result<Value, OriginError> {
    check_columns(Shape::Json, row.iter().map(|(name, _)| name.as_str())).map_err(OriginError::Shape)?;
    let members: Vec<String> =
        row.into_iter().map(|(name, cell)| format!("{}:{}", json_string(&name), cell.into_json())).collect();
    Ok(Value::Raw(Bytes::from(format!("{{{}}}", members.join(",")))))
}

fn hash(row: Row) -> Result<Option<Value>, OriginError> {
    check_columns(Shape::Hash, row.iter().map(|(name, _)| name.as_str())).map_err(OriginError::Shape)?;
    let fields: Vec<(Bytes, Bytes)> =
        row.into_iter().filter_map(|(name, cell)| Some((Bytes::from(name), cell.into_bytes()?))).collect();
    Ok((!fields.is_empty()).then_some(Value::Hash(fields)))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row() -> Row {
        vec![
            ("name".to_owned(), Cell::Text("Zoë \"Z\"".to_owned())),
            ("price".to_owned(), Cell::Literal("12345678901234567890.10".to_owned())),
            ("gone".to_owned(), Cell::Null),
            ("photo".to_owned(), Cell::Binary(vec![0xff, 0])),
        ]
    }

    #[test]
    fn a_row_as_json_keeps_types_and_digits() {
        let value = value(Shape::Json, vec![row()], 1000).unwrap().unwrap();
        let text = r#"{"name":"Zoë \"Z\"","price":12345678901234567890.10,"gone":null,"photo":"/wA="}"#;
        assert_eq!(value, Value::Raw(Bytes::from(text)));
    }

    #[test]
    fn a_row_as_hash_leaves_nulls_out() {
        let Value::Hash(fields) = value(Shape::Hash, vec![row()], 1000).unwrap().unwrap() else { panic!("not a hash") };
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, [b"name".as_ref(), b"price", b"photo"]);
        assert_eq!(fields[2].1.as_ref(), [0xff, 0]);
    }

    #[test]
    fn raw_takes_one_column_and_no_null() {
        let one = |cell| vec![vec![("a".to_owned(), cell)]];
        assert_eq!(value(Shape::Raw, one(Cell::Text("x".into())), 9).unwrap(), Some(Value::Raw(Bytes::from("x"))));
        assert_eq!(value(Shape::Raw, one(Cell::Null), 9), Ok(None));
        assert_eq!(value(Shape::Raw, vec![row()], 1000), Err(OriginError::Shape(Misfit::Columns { found: 4 })));
    }

    #[test]
    fn what_does_not_fit_is_an_error_not_a_value() {
        let twice = vec![("a".to_owned(), Cell::Null), ("a".to_owned(), Cell::Null)];
        assert_eq!(value(Shape::Json, vec![row(), row()], 1000), Err(OriginError::Shape(Misfit::ManyRows)));
        assert_eq!(value(Shape::Hash, vec![twice], 1000), Err(OriginError::Shape(Misfit::SameName("a".into()))));
        assert_eq!(value(Shape::Hash, vec![vec![("a".to_owned(), Cell::Null)]], 1000), Ok(None));
        assert_eq!(value(Shape::Hash, vec![], 1000), Ok(None));
    }

    #[test]
    fn the_bound_is_inclusive() {
        let one = || vec![vec![("a".to_owned(), Cell::Text("12345".into()))]];
        assert!(value(Shape::Raw, one(), 5).unwrap().is_some());
        assert_eq!(value(Shape::Raw, one(), 4), Err(OriginError::TooLarge { limit: 4 }));
    }

    #[test]
    fn numbers_that_are_not_finite_are_text_in_json() {
        assert_eq!(Cell::float(1.5).into_json(), "1.5");
        assert_eq!(Cell::float(f64::NAN).into_json(), "\"NaN\"");
        assert_eq!(Cell::float(f64::NEG_INFINITY).into_json(), "\"-inf\"");
    }
}
