//! Why the demo could not be played, and what to do about it.
//!
//! A promise that failsoft breaks is no error of this kind: then the demo has done its work.

use std::io;
use std::process::ExitStatus;

/// What kept the demo from being played to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error("{0} was not found on PATH")]
    NoProgram(&'static str),
    #[error("no free port was found on 127.0.0.1")]
    NoPort,
    #[error("could not {doing}: {error}")]
    Io { doing: &'static str, error: io::Error },
    #[error("could not {doing}: {error}")]
    Redis { doing: &'static str, error: redis::RedisError },
    #[error("could not {doing}: {error}")]
    Sqlite { doing: &'static str, error: rusqlite::Error },
    #[error("could not {doing}: {error}")]
    Http { doing: &'static str, error: reqwest::Error },
    #[error("{program} ended at once with {status}; its last words were\n{log}")]
    Ended { program: &'static str, status: ExitStatus, log: String },
    #[error("{what} did not come about within {seconds} s; the log is\n{log}")]
    NotReady { what: &'static str, seconds: u64, log: String },
    #[error("the {0} thread ended in a panic")]
    Panicked(&'static str),
}

impl DemoError {
    /// For `map_err`: an [`io::Error`] while doing that.
    pub(super) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { doing, error }
    }

    /// For `map_err`: an error of Redis or its client while doing that.
    pub(super) fn redis(doing: &'static str) -> impl Fn(redis::RedisError) -> Self {
        move |error| Self::Redis { doing, error }
    }

    /// For `map_err`: an error of SQLite while doing that.
    pub(super) fn sqlite(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |error| Self::Sqlite { doing, error }
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NoProgram(_) => "install Redis 7: `sudo apt install redis-server`, or on macOS `brew install redis`",
            Self::NoPort => "stop servers that are left over on ports 20000 to 29999",
            Self::Io { .. } => "look at the free space and the rights of the temporary folder",
            Self::Redis { .. } | Self::NotReady { .. } => "a machine that is very busy may need another try",
            Self::Sqlite { .. } => "look at the free space of the temporary folder",
            Self::Http { .. } => "look at the limits of this user (`ulimit -n`)",
            Self::Ended { .. } => "run the program by hand to see what it lacks",
            Self::Panicked(_) => "this is a defect of the demo: please report it with what it printed",
        }
    }
}
