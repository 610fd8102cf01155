//! Why a primitive was not carried out: an error in the words that a client of the sidecar is told.

use std::fmt;
use std::time::Duration;

use failsoft_core::Tier;
use failsoft_core::outcome::{Failure, Outcome};
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_resp::encode;
use failsoft_resp::reply::{self, Head};

use crate::apology::{Code, apologise_saying};

/// What is to be done about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing was done: try again.
    Unavailable,
    /// It may have been done: ask with the same nonce or token, or wait until it is over by itself.
    OutcomeUnknown,
    /// It is not held with this token, or not any more: nothing was done.
    NotHeld,
    /// What was asked makes no sense, or Redis refuses it: nothing was done, and trying again is of no use.
    Error,
}

/// Why a primitive was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    message: String,
}

impl Refusal {
    /// Nonsense, in a sentence.
    pub(crate) fn error(sentence: impl fmt::Display) -> Self {
        Self { kind: Kind::Error, message: format!("ERR {sentence}") }
    }

    /// `name` is not held with this token.
    pub(crate) fn not_held(name: &str) -> Self {
        let message = format!(
            "NOTHELD the {name} is not held with this token: it has ended, was released, or never had this token"
        );
        Self { kind: Kind::NotHeld, message }
    }

    /// Fails closed, in failsoft's own words.
    pub(super) fn sorry(code: Code, sentence: &str, because: Failure) -> Self {
        let apology =
            Apology { tier: Tier::Primary, because: Outcome::Failed(because), retry_after: RETRY_AFTER_DEFAULT };
        Self::apology(code, sentence, apology)
    }

    /// The same, with a reason that is known.
    pub(super) fn apology(code: Code, sentence: &str, apology: Apology) -> Self {
        let mut frame = Vec::new();
        apologise_saying(code, sentence, apology, &mut frame);
        Self::of_error_reply(&frame).expect("an apology is an error reply")
    }

    /// What an error reply says, be it the node's or an apology; `None` of any other.
    pub(super) fn of_error_reply(frame: &[u8]) -> Option<Self> {
        let Some(Head::Error(text)) = reply::head(frame) else { return None };
        let kind = match reply::error_word(text) {
            b"UNAVAILABLE" | b"OVERLOADED" => Kind::Unavailable,
            b"OUTCOMEUNKNOWN" => Kind::OutcomeUnknown,
            _ => Kind::Error,
        };
        Some(Self { kind, message: String::from_utf8_lossy(text).into_owned() })
    }

    /// Redis has said what the script does not say: somebody else has written it.
    pub(super) fn unintelligible() -> Self {
        Self::error("the script of failsoft was answered with something else than it says")
    }

    /// An outcome that was unknown and has been undone.
    pub(super) fn taken_back(self) -> Self {
        let details = self.message.find(" tier=").map_or("", |start| &self.message[start..]);
        let sentence = "it was not answered in time and has been taken back, nothing is held";
        Self { kind: Kind::Unavailable, message: format!("UNAVAILABLE {sentence}{details}") }
    }

    /// What is to be done about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When trying again may be of use, where that is told.
    pub fn retry_after(&self) -> Option<Duration> {
        let (_, told) = self.message.rsplit_once("retry-after-ms=")?;
        told.split(' ').next()?.parse().ok().map(Duration::from_millis)
    }

    /// Appends the error reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode::error(out, &self.message);
    }
}

impl fmt::Display for Refusal {
    /// As a client of the sidecar is told, without the `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Kind {
    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "unknown",
            Self::NotHeld => "not_held",
            Self::Error => "error",
        }
    }
}
