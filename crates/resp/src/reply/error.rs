//! Why a server's stream cannot be followed.
//!
//! None of these comes from an honest Redis; all mean that the next bytes could belong to anybody's request, so the
//! connection is closed.

use std::fmt;

/// The server broke the protocol or exceeded a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A value began with a byte that is no type.
    UnknownType(u8),
    /// A length is not a canonical number, is negative where nothing is absent, or asks for a streamed form.
    InvalidLength,
    /// A string is longer than the limit.
    BulkTooLong,
    /// An aggregate has more elements than the limit.
    TooManyElements,
    /// Aggregates are nested deeper than the limit.
    TooDeep,
    /// A line does not end within the limit.
    LineTooLong,
    /// CR not followed by LF, or a string not followed by CR LF.
    MissingLineEnd,
    /// An integer, boolean, double or null does not read as one.
    InvalidScalar,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownType(byte) => {
                return write!(f, "unknown reply type '{}'", byte.escape_ascii());
            }
            Self::InvalidLength => "invalid length in reply",
            Self::BulkTooLong => "string in reply too long",
            Self::TooManyElements => "too many elements in reply",
            Self::TooDeep => "reply nested too deeply",
            Self::LineTooLong => "line in reply too long",
            Self::MissingLineEnd => "line end missing in reply",
            Self::InvalidScalar => "malformed scalar in reply",
        })
    }
}

impl std::error::Error for ReplyError {}
