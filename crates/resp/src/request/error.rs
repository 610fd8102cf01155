//! Why a client's connection has to be closed, in Redis' words.
//!
//! Clients and their tests know these sentences, so they are kept to the letter. One is ours: Redis does not check what
//! follows a bulk string, and we do.

use std::fmt;

/// The client broke the protocol; there is no way to find its next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number after `*` is not canonical, or too large.
    InvalidMultibulkLength,
    /// The number after `$` is not canonical, negative, or too large.
    InvalidBulkLength,
    /// So many arguments are not taken from a client that has yet to say who it is.
    UnauthenticatedMultibulkLength,
    /// So long an argument is not taken from a client that has yet to say who it is.
    UnauthenticatedBulkLength,
    /// An argument began with this byte instead of `$`.
    ExpectedDollar(u8),
    /// The line with the number of arguments does not end.
    TooBigMultibulkCount,
    /// The line with the length of an argument does not end.
    TooBigBulkCount,
    /// The inline request does not end.
    TooBigInline,
    /// A quote in an inline request is not closed, or is closed in the middle of a word.
    UnbalancedQuotes,
    /// An argument is not followed by CR LF.
    BulkWithoutLineEnd,
    /// The first word was `POST` or `Host:`: a browser, or an attack through one. Close without a word.
    Http,
}

impl ProtocolError {
    /// The same, as it is said to a client that has yet to say who it is: [`Limits::STRANGERS`](crate::Limits::STRANGERS).
    pub fn of_stranger(self) -> Self {
        match self {
            Self::InvalidMultibulkLength => Self::UnauthenticatedMultibulkLength,
            Self::InvalidBulkLength => Self::UnauthenticatedBulkLength,
            Self::UnauthenticatedMultibulkLength
            | Self::UnauthenticatedBulkLength
            | Self::ExpectedDollar(_)
            | Self::TooBigMultibulkCount
            | Self::TooBigBulkCount
            | Self::TooBigInline
            | Self::UnbalancedQuotes
            | Self::BulkWithoutLineEnd
            | Self::Http => self,
        }
    }

    /// What to send before closing; empty for [`Http`](Self::Http).
    pub fn to_reply(self) -> Vec<u8> {
        if self == Self::Http {
            return Vec::new();
        }
        let mut reply = format!("-ERR {self}").into_bytes();
        if let Self::ExpectedDollar(byte @ 0x80..) = self {
            reply.truncate(reply.len() - "'?'".len());
            reply.extend_from_slice(&[b'\'', byte, b'\'']);
        }
        reply.extend_from_slice(b"\r\n");
        reply
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::ExpectedDollar(byte) => return expected_dollar(f, *byte),
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigInline => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::BulkWithoutLineEnd => "expected CRLF after bulk",
            Self::Http => "HTTP spoken to a Redis port",
        })
    }
}

impl std::error::Error for ProtocolError {}

/// Line ends become spaces as in Redis' own error replies; a byte that is no character by itself shows as `?`.
fn expected_dollar(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    let shown = match byte {
        b'\r' | b'\n' => ' ',
        0x80.. => '?',
        ascii => char::from(ascii),
    };
    write!(f, "expected '$', got '{shown}'")
}
