//! Why what a sentinel says cannot be used.
//!
//! No honest sentinel gives any of these. What was read is not repeated: it comes from others and may be anything.

use std::fmt;

use super::MAX_WATCHED;

/// An answer is not what a sentinel answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A field of the primary is missing or says nothing; its name.
    Field(&'static str),
    /// It does not say where the primary is.
    NoPrimary,
    /// More than [`MAX_WATCHED`] replicas or sentinels.
    TooMany,
    /// The reply to a command has another shape than that command's; its name.
    Shape(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "it does not say the {name} of the primary"),
            Self::NoPrimary => f.write_str("it does not say where the primary is"),
            Self::TooMany => write!(f, "it names more than {MAX_WATCHED} replicas or sentinels"),
            Self::Shape(command) => write!(f, "its answer to {command} is none"),
        }
    }
}

impl std::error::Error for Unreadable {}
