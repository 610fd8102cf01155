//! One load of a SQLite file, on a blocking thread from taking a connection to giving it back.
//!
//! The interrupt is guarded by a lock that the statement's end takes too, so it reaches the statement it is meant for
//! or nothing: the connection's next statement is never hit.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::Mutex;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::types::{Value as Bound, ValueRef};
use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags, Rows, params_from_iter};

use super::Shared;
use crate::origin::error::{Misfit, OriginError, StatementFault, Waiting};
use crate::origin::fetched::{self, Cell, Row};
use crate::origin::parameter::{ParameterKind, canonical_int};
use crate::origin::sql::Sql;
use crate::value::{Shape, Value};

/// A connection and the file it was opened on.
pub(super) struct Handle {
    connection: Connection,
    file: FileIdentity,
}

pub(super) struct Job {
    pub(super) sql: Arc<Sql>,
    pub(super) bound: Vec<Bound>,
    pub(super) shape: Shape,
    pub(super) max_value: usize,
    pub(super) deadline: Instant,
    pub(super) interrupter: Interrupter,
}

/// The parameters of a statement in order; `None` when no row can have them.
///
/// A text that is compared with an INTEGER column is converted by SQLite's own affinity, which takes whole texts only:
/// `42abc` stays a text and finds nothing. Bytes that are not UTF-8, or hold a NUL
/// (where SQLite's conversions would stop reading), are bound as a BLOB and find nothing else.
pub(super) fn bound<'a>(sql: &Sql, bytes_of: impl Fn(&str) -> &'a [u8]) -> Option<Vec<Bound>> {
    let one = |parameter: &crate::origin::sql::Parameter| {
        let bytes = bytes_of(&parameter.name);
        match parameter.kind {
            ParameterKind::Int => canonical_int(bytes).map(Bound::Integer),
            ParameterKind::Text => Some(match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => Bound::Text(text.to_owned()),
                Ok(_) | Err(_) => Bound::Blob(bytes.to_vec()),
            }),
        }
    };
    sql.parameters.iter().map(one).collect()
}

impl Job {
    pub(super) fn run(self, shared: &Shared) -> Result<Option<Value>, OriginError> {
        if Instant::now() >= self.deadline {
            return Err(OriginError::Timeout(Waiting::Connection));
        }
        let handle = taken(shared)?;
        let rows = self.rows(&handle.connection);
        give_back(shared, handle);
        fetched::value(self.shape, rows?, self.max_value)
    }

    fn rows(&self, connection: &Connection) -> Result<Vec<Row>, OriginError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        connection.busy_timeout(left).map_err(fault)?;
        let _until_the_end = self.interrupter.allow(connection.get_interrupt_handle())?;
        let text = self.sql.render(|slot| format!("?{}", slot.parameter + 1));
        let mut statement = connection.prepare_cached(&text).map_err(fault)?;
        if !statement.readonly() {
            return Err(OriginError::Query(StatementFault::Statement {
                code: "READONLY".into(),
                message: "the statement writes".into(),
            }));
        }
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        fetched::check_columns(self.shape, names.iter().map(String::as_str)).map_err(OriginError::Shape)?;
        let rows = statement.query(params_from_iter(&self.bound)).map_err(fault)?;
        self.at_most_two(rows, &names)
    }

    fn at_most_two(&self, mut rows: Rows<'_>, names: &[String]) -> Result<Vec<Row>, OriginError> {
        let mut read = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            if !read.is_empty() {
                return Err(OriginError::Shape(Misfit::ManyRows));
            }
            let cell = |(at, name): (usize, &String)| Ok((name.clone(), cell(row.get_ref(at)?)));
            read.push(names.iter().enumerate().map(cell).collect::<Result<Row, _>>().map_err(fault)?);
        }
        Ok(read)
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Literal(number.to_string()),
        ValueRef::Real(number) => Cell::float(number),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Binary(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Cell::Binary(bytes.to_vec()),
    }
}

fn taken(shared: &Shared) -> Result<Handle, OriginError> {
    let named = |error: &dyn std::fmt::Display| OriginError::Connect(format!("{}: {error}", shared.path.display()));
    let file = identity(&shared.path).map_err(|error| named(&error))?;
    while let Some(handle) = shared.idle.lock().pop() {
        if handle.file == file {
            return Ok(handle);
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&shared.path, flags).map_err(|error| named(&error))?;
    let statements = Arc::clone(&shared.statements);
    let count = move |_: TraceEvent<'_>| {
        statements.fetch_add(1, Ordering::Relaxed);
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count)).map_err(fault)?;
    Ok(Handle { connection, file })
}

fn give_back(shared: &Shared, handle: Handle) {
    let mut idle = shared.idle.lock();
    if !shared.closed.load(Ordering::Relaxed) {
        idle.push(handle);
    }
}

/// Device and inode where there are such things: a file moved over another has its name, but not its identity.
type FileIdentity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<FileIdentity> {
    fs::metadata(path).map(|_| (0, 0))
}

/// SQLite's messages about preparing name parts of the statement; while it runs, only the code is kept.
fn fault(error: rusqlite::Error) -> OriginError {
    match error {
        rusqlite::Error::SqlInputError { error, msg, .. } => statement_fault(error, msg),
        rusqlite::Error::SqliteFailure(error, message) => match error.code {
            ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                OriginError::Timeout(Waiting::Answer)
            }
            ErrorCode::CannotOpen
            | ErrorCode::NotADatabase
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt => OriginError::Connect(error.to_string()),
            ErrorCode::Unknown if message.as_deref().is_some_and(names_the_schema) => {
                statement_fault(error, message.unwrap_or_default())
            }
            code => OriginError::Query(StatementFault::Running { code: format!("{code:?}") }),
        },
        _ => OriginError::Query(StatementFault::Running { code: "unreadable".to_owned() }),
    }
}

fn names_the_schema(message: &str) -> bool {
    ["no such table: ", "no such column: ", "no such function: "].iter().any(|start| message.starts_with(start))
}

fn statement_fault(error: rusqlite::ffi::Error, message: String) -> OriginError {
    OriginError::Query(StatementFault::Statement { code: format!("{:?}", error.code), message })
}

/// Lets the one who waits for a load interrupt it.
#[derive(Clone, Default)]
pub(super) struct Interrupter {
    state: Arc<Mutex<Running>>,
}

#[derive(Default)]
enum Running {
    #[default]
    No,
    Yes(InterruptHandle),
    GivenUp,
}

impl Interrupter {
    /// Interrupts the load when dropped, unless its statement has ended.
    pub(super) fn guard(&self) -> InterruptOnDrop {
        InterruptOnDrop(self.clone())
    }

    /// From here to the drop of what is returned, the load may be interrupted. An error if it was given up before.
    fn allow(&self, handle: InterruptHandle) -> Result<ForbidOnDrop, OriginError> {
        let mut state = self.state.lock();
        match *state {
            Running::GivenUp => Err(OriginError::Timeout(Waiting::Connection)),
            Running::No | Running::Yes(_) => {
                *state = Running::Yes(handle);
                Ok(ForbidOnDrop(self.clone()))
            }
        }
    }
}

pub(super) struct InterruptOnDrop(Interrupter);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if let Running::Yes(handle) = &*state {
            handle.interrupt();
        }
        *state = Running::GivenUp;
    }
}

struct ForbidOnDrop(Interrupter);

impl Drop for ForbidOnDrop {
    fn drop(&mut self) {
        *self.0.state.lock() = Running::No;
    }
}
