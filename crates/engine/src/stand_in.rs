//! What failsoft says of itself when a client asks how the server is and no node can answer.
//!
//! Client libraries ask INFO before they call a new connection ready, and give up if they get an error. A client that
//! connects during an outage has reached something that answers: failsoft. So that is what it is told.

use failsoft_resp::encode;

/// A question about the server that failsoft can answer for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// `INFO`
    Info,
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
    /// The question that a command with this name asks, if it is one.
    pub fn of(name: &[u8]) -> Option<Self> {
        name.eq_ignore_ascii_case(b"INFO").then_some(Self::Info)
    }

    /// Appends the answer.
    pub fn answer(self, out: &mut Vec<u8>) {
        match self {
            Self::Info => encode::bulk(out, INFO.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_looks_for_loading_finds_that_it_is_not() {
        let mut out = Vec::new();
        StandIn::of(b"info").unwrap().answer(&mut out);
        assert!(String::from_utf8(out).unwrap().contains("\r\nloading:0\r\n"));
        assert_eq!(StandIn::of(b"GET"), None);
    }
}
