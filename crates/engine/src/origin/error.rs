//! Why an origin failed, in words fit for a log: codes and names out of the statement, never a key or a value.
//!
//! Databases like to quote the offending value in their messages, so a message is kept only where it can but name
//! parts of the statement (no such table, no such column, syntax, permission); elsewhere the code alone is kept.
//! What to do about an error is computed from it, not stored in it.

use std::fmt;

use super::Kind;

/// Why a load failed. "No such row" is not among these: that is an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The origin's address cannot be used.
    #[error("origin address: {0}")]
    Address(String),
    /// The query was compiled for another kind of origin.
    #[error("the query was not compiled for an origin of kind {0}")]
    OtherKind(Kind),
    /// No connection could be made.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The load's time was up.
    #[error("timed out waiting for {0}")]
    Timeout(Waiting),
    /// The connection broke while the load was under way.
    #[error("connection lost during the load")]
    Lost,
    /// The database refused or broke off the statement.
    #[error("statement failed: {0}")]
    Query(StatementFault),
    /// The answer does not fit the route's shape.
    #[error("answer does not fit the shape: {0}")]
    Shape(Misfit),
    /// The HTTP origin answered with a status that is neither 200, 404 nor 410.
    #[error("HTTP status {status}")]
    Http {
        /// The status as sent.
        status: u16,
    },
    /// The value exceeds the bound on values, in bytes.
    #[error("value larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The origin was closed.
    #[error("origin closed")]
    Closed,
    /// The program's own code has said that it failed. What it has said is its caller's: it may quote keys and values.
    #[error("the program's own load failed")]
    Program,
    /// The origin is code of a program, and there is none.
    #[error("url = \"code:\" is an origin that a program brings with it; only the library can carry it out")]
    NoProgram,
}

/// The label of an [`OriginError`], for metrics, logs and the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginReason {
    /// No connection.
    Connect,
    /// No answer in time.
    Timeout,
    /// Broken off.
    Lost,
    /// A statement, address or answer that repeating does not mend.
    Misconfigured,
    /// A statement that failed on its data or for want of resources.
    Query,
    /// A refusing or failing HTTP status.
    Http,
    /// A value over the bound.
    TooLarge,
    /// Closed here.
    Closed,
    /// The program's own code failed.
    Program,
}

impl OriginError {
    /// The time was up. The statement may still run for a moment; as it only reads, nothing is unknown.
    pub fn is_timeout(&self) -> bool {
        self.reason() == OriginReason::Timeout
    }

    /// The operator must change the route or the schema; trying again cannot help.
    pub fn is_misconfigured(&self) -> bool {
        self.reason() == OriginReason::Misconfigured
    }

    /// The label.
    pub fn reason(&self) -> OriginReason {
        match self {
            Self::Address(_) | Self::OtherKind(_) | Self::Shape(_) | Self::NoProgram => OriginReason::Misconfigured,
            Self::Connect(_) => OriginReason::Connect,
            Self::Timeout(_) => OriginReason::Timeout,
            Self::Lost => OriginReason::Lost,
            Self::Query(fault) if fault.names_the_statement() => OriginReason::Misconfigured,
            Self::Query(_) => OriginReason::Query,
            Self::Http { .. } => OriginReason::Http,
            Self::TooLarge { .. } => OriginReason::TooLarge,
            Self::Closed => OriginReason::Closed,
            Self::Program => OriginReason::Program,
        }
    }
}

impl fmt::Display for OriginReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Misconfigured => "misconfigured",
            Self::Query => "query",
            Self::Http => "http",
            Self::TooLarge => "too-large",
            Self::Closed => "closed",
            Self::Program => "program",
        })
    }
}

/// What a load was waiting for when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A connection: all are busy, or a new one is not answered.
    Connection,
    /// The answer.
    Answer,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "a connection",
            Self::Answer => "the answer",
        })
    }
}

/// How a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementFault {
    /// The statement does not fit the database: the database's code and its words, which name parts of the statement.
    Statement {
        /// SQLSTATE, or SQLite's name of the result code.
        code: String,
        /// The database's message.
        message: String,
    },
    /// The statement failed while running; only its code is kept, as the message may quote data.
    Running {
        /// SQLSTATE, or SQLite's name of the result code.
        code: String,
    },
    /// A parameter stands where the database wants a type that no part of a key can be bound to safely.
    Parameter {
        /// The parameter.
        name: String,
        /// The type the database wants there.
        wants: String,
    },
}

impl StatementFault {
    fn names_the_statement(&self) -> bool {
        match self {
            Self::Statement { .. } | Self::Parameter { .. } => true,
            Self::Running { .. } => false,
        }
    }
}

impl fmt::Display for StatementFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement { code, message } => write!(f, "{message} ({code})"),
            Self::Running { code } => write!(f, "error {code}"),
            Self::Parameter { name, wants } => write!(
                f,
                "`:{name}` stands where the database wants a {wants}, which a key cannot be bound to; compare the column as text instead"
            ),
        }
    }
}

/// How an answer misses its route's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// More than one row.
    ManyRows,
    /// Shape `raw` wants one column.
    Columns {
        /// How many there are.
        found: usize,
    },
    /// Two columns have this name.
    SameName(String),
    /// The body is not JSON.
    NotJson,
    /// The body is JSON, but not an object.
    NotAnObject,
    /// The column has a type that has no text form here.
    Type {
        /// The column's name.
        column: String,
        /// The database's name of the type.
        type_name: String,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManyRows => f.write_str("more than one row"),
            Self::Columns { found } => write!(f, "{found} columns where shape \"raw\" wants one"),
            Self::SameName(name) => write!(f, "two columns are called `{name}`"),
            Self::NotJson => f.write_str("the body is not JSON"),
            Self::NotAnObject => f.write_str("the body is not a JSON object"),
            Self::Type { column, type_name } => {
                write!(f, "column `{column}` has type {type_name}, which has no text form here")
            }
        }
    }
}
