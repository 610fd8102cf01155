//! Where a client is told that failsoft is.
//!
//! In this order: what `server.announce` says; the address the client has come to, which it can evidently reach; for a
//! client on a socket file, which has no address, an empty host. That is what Redis says before it knows its own
//! address, and clients take it for the one they came to.
//!
//! A node of a cluster has a name of 40 hexadecimal digits. failsoft's is made of its address, so that it is the same
//! after a restart, and several of one announced address are one to a client.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use failsoft::settings::Announced;
use sha2::{Digest, Sha256};

use crate::listener::Speech;

/// Where a client is told that failsoft is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) struct Address {
    /// A name, an IP address without brackets, or nothing: where the client has come to.
    pub(super) host: String,
    pub(super) port: u16,
    /// TLS is spoken there.
    pub(super) speech: Speech,
}

impl Address {
    /// What a client is told that has come to `local` (none: by a socket file), of a sidecar that listens at `port`.
    pub(in crate::session) fn of(
        announced: Option<&Announced>,
        local: Option<SocketAddr>,
        port: u16,
        speech: Speech,
    ) -> Self {
        let (host, port) = match (announced, local) {
            (Some(announced), _) => (announced.host().to_owned(), announced.port()),
            (None, Some(local)) => (local.ip().to_canonical().to_string(), local.port()),
            (None, None) => (String::new(), port),
        };
        Self { host, port, speech }
    }

    /// The host if it is a name.
    pub(super) fn name(&self) -> Option<&str> {
        let is_name = !self.host.is_empty() && self.host.parse::<IpAddr>().is_err();
        is_name.then_some(self.host.as_str())
    }

    /// failsoft's name among nodes.
    pub(super) fn id(&self) -> String {
        self.digest("node")
    }

    /// The name of the shard that it is.
    pub(super) fn shard_id(&self) -> String {
        self.digest("shard")
    }

    fn digest(&self, of: &str) -> String {
        let digest = Sha256::digest(format!("failsoft {of} {} {}", self.host, self.port));
        digest[..20].iter().fold(String::with_capacity(40), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came_to(local: &str) -> Address {
        Address::of(None, Some(local.parse().unwrap()), 0, Speech::Plain)
    }

    #[test]
    fn the_address_is_the_one_that_the_client_came_to() {
        let address = came_to("192.0.2.7:6380");
        assert_eq!((address.host.as_str(), address.port), ("192.0.2.7", 6380));
        assert_eq!(came_to("[2001:db8::1]:6380").host, "2001:db8::1");
        // A client of IPv4 at a door of IPv6.
        assert_eq!(came_to("[::ffff:192.0.2.7]:6380"), address);
    }

    #[test]
    fn on_a_socket_file_it_is_wherever_the_client_has_come_to() {
        let address = Address::of(None, None, 6380, Speech::Plain);
        assert_eq!((address.host.as_str(), address.port, address.name()), ("", 6380, None));
    }

    #[test]
    fn names_of_nodes_have_forty_digits_and_stay() {
        let id = came_to("192.0.2.7:6380").id();
        assert_eq!(id, "b0709c9ee669f667e995b228814815f7a63fd317");
        assert_ne!(id, came_to("192.0.2.7:6381").id());
        assert_ne!(id, came_to("192.0.2.7:6380").shard_id());
    }
}
