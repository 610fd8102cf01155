//! What failsoft says for itself when no node can answer.
//!
//! Client libraries ask INFO before they call a new connection ready, and give up if they get an error. A client that
//! connects during an outage has reached something that answers: failsoft. So that is what it is told. And a message to a
//! channel of an invalidation route is kept until it can be published: until then nobody has heard it, which is what its
//! publisher is told.

use failsoft_core::mode::Mode;
use failsoft_core::request::Ending;
use failsoft_core::role::Role;
use failsoft_resp::encode;

/// A command that failsoft can answer for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// `INFO`
    Info,
    /// `PUBLISH` and `SPUBLISH` on a route with role invalidation: see [`publishing`](crate::publishing).
    Kept,
}

const INFO: &str = concat!(
    "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\n\r\n",
    "# Persistence\r\nloading:0\r\n\r\n",
    "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n",
    "# Failsoft\r\nfailsoft_version:",
    env!("CARGO_PKG_VERSION"),
    "\r\nfailsoft_primary:unavailable\r\n"
);

impl StandIn {
    /// What stands in for a command with this name on a route with this role, in this mode, if anything does.
    pub fn of(name: &[u8], role: Role, mode: Mode) -> Option<Self> {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let is_news = role == Role::Invalidation && mode != Mode::PassThrough;
        match is_news && (is(b"PUBLISH") || is(b"SPUBLISH")) {
            true => Some(Self::Kept),
            false => is(b"INFO").then_some(Self::Info),
        }
    }

    /// Whether it is said instead of how the request has ended.
    pub fn covers(self, ending: Ending) -> bool {
        match (self, ending) {
            (Self::Info | Self::Kept, Ending::Unavailable(_)) => true,
            (Self::Kept, Ending::OutcomeUnknown(_) | Ending::Overloaded(_)) => true,
            (Self::Info, Ending::OutcomeUnknown(_) | Ending::Overloaded(_)) => false,
            (Self::Info | Self::Kept, Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_)) => false,
        }
    }

    /// Appends the answer.
    pub fn answer(self, out: &mut Vec<u8>) {
        match self {
            Self::Info => encode::bulk(out, INFO.as_bytes()),
            Self::Kept => encode::integer(out, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_looks_for_loading_finds_that_it_is_not() {
        let mut out = Vec::new();
        StandIn::of(b"info", Role::Unclassified, Mode::Auto).unwrap().answer(&mut out);
        assert!(String::from_utf8(out).unwrap().contains("\r\nloading:0\r\n"));
        assert_eq!(StandIn::of(b"GET", Role::Unclassified, Mode::Auto), None);
    }

    #[test]
    fn messages_are_kept_for_invalidation_routes_only() {
        assert_eq!(StandIn::of(b"publish", Role::Invalidation, Mode::Auto), Some(StandIn::Kept));
        assert_eq!(StandIn::of(b"publish", Role::Invalidation, Mode::PassThrough), None);
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Invalidation) {
            assert_eq!(StandIn::of(b"PUBLISH", role, Mode::Auto), None, "{role}");
        }
        assert_eq!(StandIn::of(b"SET", Role::Invalidation, Mode::Auto), None);
    }
}
