//! What a call of the library ends with instead of an answer: as kinds that say what the program is to do.
//!
//! The three that failsoft says itself are those of the sidecar, with the same details: nothing was done
//! ([`Unavailable`](Error::Unavailable)), nothing was done so that the origin survives ([`Overloaded`](Error::Overloaded)), or a
//! write was sent and nobody knows ([`OutcomeUnknown`](Error::OutcomeUnknown)). No text of an error holds a key or a value, but
//! for what the program's own code has put into its own errors.

use std::fmt;
use std::time::Duration;

use failsoft_core::refusal::{Recourse, Refusal};
use thiserror::Error;

use super::codec::CodecError;

/// An error of the program's own code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was done; try again after [`retry_after`](Self::retry_after), or tell your own caller to (503).
    #[error("{0}")]
    Unavailable(Trouble),
    /// Nothing was done, so that the origin is not melted; the same, with more patience.
    #[error("{0}")]
    Overloaded(Trouble),
    /// A write was sent and not answered: it may have happened. Look before it is repeated.
    #[error("{0}")]
    OutcomeUnknown(Trouble),
    /// Redis has answered with an error: its own words.
    #[error("{0}")]
    Redis(String),
    /// The load that was to make the value has failed, and there is nothing older that may be served.
    #[error("the value could not be made: {0}")]
    Load(BoxError),
    /// A value cannot be written as bytes, or bytes are no such value.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The lock, or the idempotency record, is not held with this token (any more).
    #[error("{0}")]
    NotHeld(String),
    /// The call cannot be right, whatever Redis does: a key of another route, a time to live of zero.
    #[error("{0}")]
    Misuse(String),
    /// [`Failsoft::shutdown`](super::Failsoft::shutdown) has begun.
    #[error("failsoft is shut down")]
    ShutDown,
}

/// What stood in the way, in the words that the sidecar's clients get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    text: String,
}

impl Error {
    /// What an error reply means; `line` is without its `-` and its end.
    pub(crate) fn of_reply(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line).into_owned();
        match text.split(' ').next().unwrap_or_default() {
            "UNAVAILABLE" => Self::Unavailable(Trouble { text }),
            "OVERLOADED" => Self::Overloaded(Trouble { text }),
            "OUTCOMEUNKNOWN" => Self::OutcomeUnknown(Trouble { text }),
            "NOTHELD" => Self::NotHeld(text),
            _ => Self::Redis(text),
        }
    }

    /// A reply that is none to what was asked.
    pub(crate) fn astray() -> Self {
        Self::Redis("ERR the reply is of another kind than the command has".to_owned())
    }

    pub(crate) fn misuse(why: impl Into<String>) -> Self {
        Self::Misuse(why.into())
    }

    /// Whether the same call may succeed later, and does no harm if it is made again. An unknown outcome is not
    /// retryable: it may have happened already.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Overloaded(_) | Self::Load(_) => true,
            Self::Redis(text) => match Refusal::from_error(text.as_bytes()).recourse() {
                Recourse::NextTier | Recourse::Repeat => true,
                Recourse::PassOn | Recourse::AsAuthPolicySays => false,
            },
            Self::OutcomeUnknown(_) | Self::Codec(_) | Self::NotHeld(_) | Self::Misuse(_) | Self::ShutDown => false,
        }
    }

    /// How long to wait before the same call is worth making again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(trouble) | Self::Overloaded(trouble) | Self::OutcomeUnknown(trouble) => {
                Some(trouble.retry_after())
            }
            Self::Redis(_) | Self::Load(_) | Self::Codec(_) | Self::NotHeld(_) | Self::Misuse(_) | Self::ShutDown => {
                None
            }
        }
    }
}

impl Trouble {
    /// The tier that stood in the way, as it is named in settings and metrics.
    pub fn tier(&self) -> Option<&str> {
        self.detail("tier")
    }

    /// The reason, as it is named in metrics: `circuit_open`, `timeout`, `shed`, ...
    pub fn reason(&self) -> Option<&str> {
        self.detail("reason")
    }

    /// How long to wait before another try; a millisecond at least.
    pub fn retry_after(&self) -> Duration {
        let millis = self.detail("retry-after-ms").and_then(|millis| millis.parse().ok());
        Duration::from_millis(millis.unwrap_or(1))
    }

    fn detail(&self, key: &str) -> Option<&str> {
        self.text
            .split(' ')
            .find_map(|word| word.split_once('=').filter(|(name, _)| *name == key))
            .map(|(_, value)| value)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_first_word_says_what_is_to_be_done() {
        let away = "nothing was done, try again tier=primary outcome=failed reason=circuit_open retry-after-ms=250";
        let Error::Unavailable(trouble) = Error::of_reply(format!("UNAVAILABLE {away}").as_bytes()) else {
            panic!("unavailable");
        };
        assert_eq!((trouble.tier(), trouble.reason()), (Some("primary"), Some("circuit_open")));
        assert_eq!(trouble.retry_after(), Duration::from_millis(250));
        assert!(matches!(Error::of_reply(b"OVERLOADED x reason=shed retry-after-ms=9"), Error::Overloaded(_)));
        assert!(matches!(Error::of_reply(b"NOTHELD the lock is not held"), Error::NotHeld(_)));
        assert!(matches!(Error::of_reply(b"WRONGTYPE Operation"), Error::Redis(_)));
    }

    #[test]
    fn what_may_have_happened_is_not_to_be_repeated() {
        let retryable = |line: &[u8]| Error::of_reply(line).is_retryable();
        assert!(retryable(b"UNAVAILABLE x") && retryable(b"OVERLOADED x") && retryable(b"LOADING Redis is loading"));
        assert!(!retryable(b"OUTCOMEUNKNOWN x") && !retryable(b"NOTHELD x") && !retryable(b"WRONGTYPE x"));
        assert!(!retryable(b"NOPERM this user has no permissions") && !Error::ShutDown.is_retryable());
    }

    #[test]
    fn there_is_always_a_wait_where_it_is_promised() {
        assert_eq!(Error::of_reply(b"UNAVAILABLE x").retry_after(), Some(Duration::from_millis(1)));
        assert_eq!(Error::of_reply(b"ERR x").retry_after(), None);
    }
}
