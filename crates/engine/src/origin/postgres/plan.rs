//! The statement that is really run for a route, made from what the server said about the one written.

use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Arguments, Column, Either, Row as _, Statement, TypeInfo};

use super::parameter::{Bound, Form};
use crate::origin::Params;
use crate::origin::error::{Misfit, OriginError, StatementFault};
use crate::origin::fetched::{Cell, Row, check_columns};
use crate::origin::parameter::ParameterKind;
use crate::origin::query::bytes_of;
use crate::origin::sql::{Slot, Sql};
use crate::value::Shape;

pub(super) struct Plan {
    /// The text to run.
    pub(super) statement: Arc<str>,
    slots: Vec<Placeholder>,
    columns: Vec<Output>,
}

struct Placeholder {
    name: String,
    kind: ParameterKind,
    form: Form,
}

struct Output {
    name: String,
    how: How,
}

/// How the server is asked to write a column.
#[derive(Clone, Copy)]
enum How {
    /// As it is: bytes.
    Bytes,
    /// As PostgreSQL prints it.
    Text,
    /// As JSON.
    Json,
    /// As its JSON string without the quotes: how moments get their RFC 3339 form.
    JsonText,
}

/// The statement for describing: every placeholder a parameter of its own, so that each gets its own type.
pub(super) fn as_written(sql: &Sql) -> String {
    let mut number = 0;
    sql.render(|_| {
        number += 1;
        format!("${number}")
    })
}

impl Plan {
    pub(super) fn new(sql: &Sql, shape: Shape, described: &PgStatement) -> Result<Self, OriginError> {
        let slots = placeholders(sql, described)?;
        let columns = outputs(shape, described)?;
        Ok(Self { statement: Arc::from(statement(sql, &slots, &columns)), slots, columns })
    }

    /// The arguments for a key; `None` when no row can have it.
    pub(super) fn arguments(&self, params: Params<'_>) -> Result<Option<PgArguments>, OriginError> {
        let mut arguments = PgArguments::default();
        for slot in &self.slots {
            let added = match slot.form.bind(slot.kind, bytes_of(params, &slot.name)) {
                Some(Bound::Text(text)) => arguments.add(text),
                Some(Bound::Bytes(bytes)) => arguments.add(bytes),
                None => return Ok(None),
            };
            added.map_err(|_| OriginError::Query(StatementFault::Running { code: "54000".to_owned() }))?;
        }
        Ok(Some(arguments))
    }

    pub(super) fn row(&self, row: &PgRow) -> Result<Row, sqlx::Error> {
        self.columns
            .iter()
            .enumerate()
            .map(|(at, column)| Ok((column.name.clone(), cell(row, at, column.how)?)))
            .collect()
    }
}

fn cell(row: &PgRow, at: usize, how: How) -> Result<Cell, sqlx::Error> {
    let cell = match how {
        How::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Cell::Binary),
        How::Text | How::JsonText => row.try_get::<Option<String>, _>(at)?.map(Cell::Text),
        How::Json => row.try_get::<Option<String>, _>(at)?.map(Cell::Literal),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

fn placeholders(sql: &Sql, described: &PgStatement) -> Result<Vec<Placeholder>, OriginError> {
    let types = match described.parameters() {
        Some(Either::Left(types)) => types,
        Some(Either::Right(_)) | None => &[],
    };
    sql.slots.iter().enumerate().map(|(at, slot)| placeholder(sql, slot, types.get(at))).collect()
}

fn placeholder(sql: &Sql, slot: &Slot, wanted: Option<&PgTypeInfo>) -> Result<Placeholder, OriginError> {
    let parameter = &sql.parameters[slot.parameter];
    let wants = wanted.map_or("UNKNOWN", |wanted| wanted.name());
    let form = Form::of(wants).ok_or_else(|| {
        OriginError::Query(StatementFault::Parameter { name: parameter.name.clone(), wants: wants.to_owned() })
    })?;
    Ok(Placeholder { name: parameter.name.clone(), kind: parameter.kind, form })
}

fn outputs(shape: Shape, described: &PgStatement) -> Result<Vec<Output>, OriginError> {
    let columns = described.columns();
    check_columns(shape, columns.iter().map(|column| column.name())).map_err(OriginError::Shape)?;
    if columns.is_empty() {
        return Err(OriginError::Shape(Misfit::Columns { found: 0 }));
    }
    let output = |type_name: &str| match (type_name, shape) {
        ("BYTEA", _) => How::Bytes,
        (_, Shape::Json) => How::Json,
        ("TIMESTAMP" | "TIMESTAMPTZ", Shape::Raw | Shape::Hash) => How::JsonText,
        (_, Shape::Raw | Shape::Hash) => How::Text,
    };
    let outputs = columns.iter();
    Ok(outputs
        .map(|column| Output { name: column.name().to_owned(), how: output(column.type_info().name()) })
        .collect())
}

/// The line break ends a comment that the statement may end with.
fn statement(sql: &Sql, slots: &[Placeholder], columns: &[Output]) -> String {
    let mut slots = slots.iter().enumerate();
    let inner = sql.render(|_| slots.next().map(|(at, slot)| slot.form.placeholder(at + 1)).unwrap_or_default());
    let written = columns.iter().enumerate().map(|(at, column)| match column.how {
        How::Bytes => format!("q.c{at}"),
        How::Text => format!("CAST(q.c{at} AS text)"),
        How::Json => format!("CAST(to_json(q.c{at}) AS text)"),
        How::JsonText => format!("to_json(q.c{at}) #>> '{{}}'"),
    });
    let written: Vec<String> = written.collect();
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    format!("SELECT {} FROM (\n{inner}\n) AS q({}) LIMIT 2", written.join(", "), names.join(", "))
}
