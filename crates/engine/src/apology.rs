//! What a caller who gets no answer is told: a code that says what to do, then details as `key=value`.
//!
//! Always with `retry-after-ms`; never with a key or a value.

use failsoft_core::request::Apology;
use failsoft_resp::encode;

/// The codes of failsoft's own errors: the first word of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Nothing was done; try again.
    Unavailable,
    /// Shed to protect the origin; nothing was done.
    Overloaded,
    /// A write was sent and not answered: it may have happened.
    OutcomeUnknown,
}

impl Code {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unavailable => "UNAVAILABLE",
            Self::Overloaded => "OVERLOADED",
            Self::OutcomeUnknown => "OUTCOMEUNKNOWN",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Unavailable => "nothing was done, try again",
            Self::Overloaded => "nothing was done, shed to protect the origin",
            Self::OutcomeUnknown => "the write was sent and not answered, it may have happened",
        }
    }
}

/// Appends the error reply.
pub fn apologise(code: Code, apology: Apology, out: &mut Vec<u8>) {
    apologise_saying(code, code.sentence(), apology, out);
}

/// Appends the error reply, with another sentence behind its code.
pub fn apologise_saying(code: Code, sentence: &str, apology: Apology, out: &mut Vec<u8>) {
    let Apology { tier, because, retry_after } = apology;
    let message = format!(
        "{} {sentence} tier={tier} outcome={} reason={} retry-after-ms={}",
        code.word(),
        because.word(),
        because.reason(),
        retry_after.as_millis().max(1),
    );
    encode::error(out, &message);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use failsoft_core::outcome::Failure;
    use failsoft_core::{Outcome, Tier};

    use super::*;

    #[test]
    fn the_code_comes_first_and_the_wait_is_always_told() {
        let because = Outcome::Failed(Failure::CircuitOpen);
        let apology = Apology { tier: Tier::Primary, because, retry_after: Duration::from_micros(1) };
        let mut out = Vec::new();
        apologise(Code::Unavailable, apology, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "-UNAVAILABLE nothing was done, try again tier=primary outcome=failed reason=circuit_open \
             retry-after-ms=1\r\n"
        );
    }
}
