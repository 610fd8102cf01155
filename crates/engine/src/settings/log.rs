//! `[log]`: how much is said on stderr, and in which form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much is said on stderr, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Log {
    /// The least important thing that is still said.
    #[schemars(extend("x-restart" = true))]
    level: LogLevel,
    /// One line of text, or one JSON object, per event.
    #[schemars(extend("x-restart" = true))]
    format: LogFormat,
}

/// How important an event must be to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogLevel {
    /// What keeps failsoft from doing its work.
    Error,
    /// What somebody should look at.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// What was decided.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Log {
    /// The least important thing that is still said.
    pub fn level(&self) -> LogLevel {
        self.level
    }

    /// The form of a line.
    pub fn format(&self) -> LogFormat {
        self.format
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}
