//! Origins: where values are made. SQLite, PostgreSQL, MySQL or MariaDB, HTTP, and the program's own code behind one trait.
//!
//! A load answers with a value, with "no such row" (`Ok(None)`: a miss, the origin has spoken) or with an error (the
//! origin has not). The two never mix: a key that cannot name a row, whatever bytes a client put into it, is a miss
//! and can therefore never trip the origin's circuit; a statement that does not fit its table is an error and can
//! never look like an absent row.
//!
//! Opening never connects. A database that is down while the sidecar starts is found out by the first load, and the
//! first load after its return succeeds. Loads may be dropped at any await: the connection in use is then closed
//! rather than handed to the next load with a reply outstanding.
//!
//! Everything a client sends reaches a database as a bound parameter and an HTTP origin as one percent-encoded part of
//! a path, never as text of the statement.

mod base64;
mod code;
mod error;
mod fetched;
mod http;
mod mysql;
mod open;
mod parameter;
mod plans;
mod pool;
mod postgres;
mod query;
mod sql;
mod sqlite;

use std::pin::Pin;
use std::time::Duration;

use crate::value::Value;

pub use code::{CodeOrigins, Loader, Loading, WHOLE_KEY};
pub use error::{Misfit, OriginError, OriginReason, StatementFault, Waiting};
pub use open::{OriginOptions, Secret, open};
pub use parameter::ParameterKind;
pub use query::{Query, QueryError, placeholders};

/// The family of an origin, as its address names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A SQLite file, opened read-only.
    Sqlite,
    /// PostgreSQL, over sessions that are read-only by default.
    Postgres,
    /// MySQL or MariaDB, over read-only sessions.
    Mysql,
    /// An HTTP service, asked with GET.
    Http,
    /// Code of the program that failsoft is built into.
    Code,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Http => "http",
            Self::Code => "code",
        })
    }
}

/// What a key's pattern bound: names with the bytes of the key, as the client sent them.
pub type Params<'a> = &'a [(&'a str, &'a [u8])];

/// A load under way.
pub type Load<'a> = Pin<Box<dyn Future<Output = Result<Option<Value>, OriginError>> + Send + 'a>>;

/// A place that makes values.
///
/// One origin is shared by all runtimes of a process; its connections live as long as the runtime that opened them.
pub trait Origin: Send + Sync {
    /// Makes the value of one key within `timeout`, waiting for a connection included. `Ok(None)`: no such row.
    fn load<'a>(&'a self, query: &'a Query, params: Params<'a>, timeout: Duration) -> Load<'a>;

    /// The family this origin belongs to.
    fn kind(&self) -> Kind;

    /// Whether it can make a value without a [`Loader`] that the caller brings.
    fn loads_by_itself(&self) -> bool {
        true
    }

    /// Loads that really reached the database: for SQLite as counted by SQLite's own trace hook, else statements or
    /// requests handed to a live connection.
    fn statements(&self) -> u64;

    /// Closes idle connections and refuses every later load with [`OriginError::Closed`]; loads under way finish.
    fn close(&self);
}
