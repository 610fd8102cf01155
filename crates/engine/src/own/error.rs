//! What is wrong with one of failsoft's own commands, in the style of Redis.

use failsoft_resp::encode;
use thiserror::Error;

/// Bytes of what a client has written that are told back.
const MOST_TOLD: usize = 64;

/// Why a command cannot be run. Displayed, it is the error's line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// It has too few arguments, or too many.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    /// There is no such subcommand.
    #[error("ERR unknown subcommand '{0}'. Try FAILSOFT HELP.")]
    Unknown(String),
    /// An argument is not what it should be; this says which, and what it should be.
    #[error("ERR {0}")]
    Argument(String),
}

impl ParseError {
    pub(super) fn unknown(word: &[u8]) -> Self {
        Self::Unknown(shown(word))
    }

    /// The error as a reply.
    pub fn to_reply(&self) -> Vec<u8> {
        let mut reply = Vec::new();
        encode::error(&mut reply, &self.to_string());
        reply
    }
}

/// What a client has written, fit for a line.
pub(super) fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(&word[..word.len().min(MOST_TOLD)]);
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
