//! Why nothing can be heard at a node, and what who asked for it is told if it is not to be waited for.

use failsoft_core::cluster::Redirect;
use failsoft_core::outcome::Silence;
use failsoft_core::refusal::{Recourse, Refusal};
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::reply::{Head, head};

use crate::apology::{Code, apologise};
use crate::node::Undedicated;

/// The listener cannot be served any longer.
#[derive(Debug)]
pub(super) struct Deaf;

/// Why nothing is heard of a channel.
#[derive(Debug)]
pub(super) enum Unheard {
    /// The listener cannot be served any longer.
    Deaf,
    /// It will not be, in these words.
    Refused(Vec<u8>),
    /// It may be later; these are the words for now.
    Away(Vec<u8>),
}

impl From<Deaf> for Unheard {
    fn from(_: Deaf) -> Self {
        Self::Deaf
    }
}

impl Unheard {
    /// The node could not be connected to. That it has no room is a matter of failsoft's own bounds, not of the node.
    pub(super) fn undedicated(undedicated: Undedicated, now: Time) -> Self {
        let mut told = Vec::new();
        undedicated.apologise(Tier::Primary, now, &mut told);
        match undedicated {
            Undedicated::Full { .. } | Undedicated::Paced { .. } => Self::Refused(told),
            Undedicated::Denied(_) | Undedicated::Failed(_) => Self::Away(told),
        }
    }

    /// The node has answered with an error.
    pub(super) fn refused(told: Vec<u8>) -> Self {
        let Some(Head::Error(text)) = head(&told) else {
            return Self::Refused(told);
        };
        match Refusal::from_error(text).recourse() {
            Recourse::NextTier | Recourse::Repeat => Self::Away(told),
            Recourse::PassOn | Recourse::AsAuthPolicySays => Self::Refused(told),
        }
    }

    /// Whether this error names another node that is to be asked.
    pub(super) fn is_elsewhere(told: &[u8]) -> bool {
        matches!(head(told), Some(Head::Error(text)) if Redirect::parse(text).is_some())
    }

    /// The node has not answered.
    pub(super) fn silent(silence: Silence) -> Self {
        Self::Away(sorry(Outcome::Silent(silence)))
    }

    /// There is nobody to be asked, or nobody who is believed.
    pub(super) fn nobody(because: Outcome) -> Self {
        Self::Away(sorry(because))
    }
}

fn sorry(because: Outcome) -> Vec<u8> {
    let mut told = Vec::new();
    apologise(Code::Unavailable, Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT }, &mut told);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_command_is_told_and_one_of_the_moment_is_waited_out() {
        let judged = |text: &str| Unheard::refused(format!("-{text}\r\n").into_bytes());
        for text in ["LOADING Redis is loading", "BUSY Redis is busy", "MASTERDOWN no link", "CLUSTERDOWN it is down"] {
            assert!(matches!(judged(text), Unheard::Away(_)), "{text}");
        }
        for text in ["NOPERM no", "ERR what?", "CROSSSLOT apart", "NOAUTH who?"] {
            assert!(matches!(judged(text), Unheard::Refused(_)), "{text}");
        }
        assert!(Unheard::is_elsewhere(b"-MOVED 1 127.0.0.1:7000\r\n") && !Unheard::is_elsewhere(b"-ERR no\r\n"));
    }
}
