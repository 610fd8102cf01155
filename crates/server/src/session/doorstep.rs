//! Where a client has come in, as far as it is told: the door it came by, and what the sidecar says of itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use failsoft::scatter::Means;
use failsoft::wire::Wire;

use super::face::Address;
use crate::listener::Speech;
use crate::shared::Shared;

/// Where a client has come in.
pub(super) struct Doorstep {
    shared: Arc<Shared>,
    ends: Box<Ends>,
    speech: Speech,
}

/// Both ends of the connection, in a place of their own: they are looked at by few.
struct Ends {
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
}

impl Doorstep {
    /// Of the client at the other end of `wire`.
    pub(super) fn new(shared: Arc<Shared>, wire: &Wire) -> Self {
        let speech = match wire {
            Wire::Plain(_) => Speech::Plain,
            Wire::Tls(_) => Speech::Tls,
        };
        Self { shared, ends: Box::new(Ends { peer: wire.peer_addr(), local: wire.local_addr() }), speech }
    }

    /// What all threads share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Where the client has come from, for the log.
    pub(super) fn whence(&self) -> String {
        self.ends.peer.map_or_else(|| "a local socket".to_owned(), |peer| peer.to_string())
    }

    /// Where the client is told that failsoft is.
    pub(super) fn address(&self) -> Address {
        let settings = self.shared.engine().settings();
        let server = settings.server();
        let port = server.listen().map_or(0, |listen| listen.port());
        Address::of(server.announce(), self.ends.local, port, self.speech)
    }

    /// What a command for several shards may take up, whose client has `gathered` so many bytes.
    pub(super) fn means(&self, gathered: Arc<AtomicUsize>) -> Means {
        let most_bytes = self.shared.limits().max_output_buffer;
        Means { fallbacks: self.shared.fallbacks().clone(), most_bytes, gathered }
    }
}
