//! A network between servers of one machine that can be cut, without being root: by proxies that know who is calling.
//!
//! On Linux all of 127.0.0.0/8 is the loopback. Each server gets an address there from which it calls the others
//! (`bind-source-addr`), and announces, instead of its own port, that of a gate: a proxy that reads the caller
//! from the peer's address and calls the server in the caller's name. Which pairs are cut is one set, watched by all gates.
//!
//! A cut holds bytes back as a network that loses packets does with TCP: nobody is told of anything, neither of data nor
//! of the end of a connection, and what the sender's kernel has taken arrives when the cut is healed. Two things differ
//! from a real network: a new connection is accepted (by the gate's kernel) and then silent, instead of timing out; and a
//! server that is killed refuses also those who are cut off from it.

mod gate;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use tokio::runtime::Runtime;
use tokio::sync::watch;

pub(crate) use gate::Gate;

use crate::port::FreePort;

/// Where servers call from: this network, and from 1 upwards.
const SOURCES: [u8; 3] = [127, 77, 0];

/// Somebody who calls or is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Everybody who is not one of the servers: failsoft, and the test's own clients where they use announced addresses.
    Clients,
    /// A server, by its number.
    Server(u8),
}

impl Party {
    /// # Panics
    /// When there are more servers than addresses.
    pub(crate) fn server(index: usize) -> Self {
        Self::Server(u8::try_from(index).ok().filter(|index| *index < 254).expect("a test's network is small"))
    }

    /// The address a server calls from.
    pub(crate) fn source(self) -> Ipv4Addr {
        match self {
            Self::Clients => Ipv4Addr::LOCALHOST,
            Self::Server(number) => Ipv4Addr::new(SOURCES[0], SOURCES[1], SOURCES[2], number + 1),
        }
    }

    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => match address.octets() {
                [first, second, third, number @ 1..=255] if [first, second, third] == SOURCES => {
                    Self::Server(number - 1)
                }
                _ => Self::Clients,
            },
            IpAddr::V6(_) => Self::Clients,
        }
    }
}

/// From whom to whom nothing passes.
type Cuts = BTreeSet<(Party, Party)>;

/// The network of one cluster or one group of sentinels.
#[derive(Debug)]
pub(crate) struct Network {
    cuts: watch::Sender<Cuts>,
    /// Gates run on a thread of their own: a busy test must not look like a slow network.
    runtime: Option<Runtime>,
}

impl Network {
    /// # Panics
    /// When this machine's loopback is 127.0.0.1 alone.
    pub(crate) fn new() -> Self {
        let source = Party::Server(0).source();
        let bound = UdpSocket::bind((source, 0));
        bound.unwrap_or_else(|error| {
            panic!(
                "no partitions on this machine: servers must be told apart by loopback addresses of their own, and {source} \
                 is not to be had ({error}); Linux has all of 127.0.0.0/8"
            )
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a thread is to be had");
        Self { cuts: watch::Sender::default(), runtime: Some(runtime) }
    }

    /// Opens a gate at `port` before the server `host`, which listens at `upstream`.
    pub(crate) async fn gate(&self, port: FreePort, host: Party, upstream: SocketAddr) -> Gate {
        let runtime = self.runtime.as_ref().expect("it is there until dropped");
        Gate::start(runtime.handle().clone(), port, host, upstream, self.cuts.subscribe()).await
    }

    /// Lets nothing pass `from` these `to` those, on open and future connections.
    pub(crate) fn cut<A: Into<Party> + Copy, B: Into<Party> + Copy>(&self, from: &[A], to: &[B]) {
        let pairs = from.iter().flat_map(|from| to.iter().map(|to| ((*from).into(), (*to).into())));
        self.cuts.send_modify(|cuts| cuts.extend(pairs));
    }

    /// Lets everything pass.
    pub(crate) fn heal(&self) {
        self.cuts.send_replace(Cuts::new());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One direction between two parties.
#[derive(Debug, Clone)]
struct Way {
    pair: (Party, Party),
    cuts: watch::Receiver<Cuts>,
}

impl Way {
    /// Returns when it is open.
    async fn is_open(&mut self) {
        let pair = self.pair;
        // A network that is gone has taken its gates along; until they notice, nothing passes.
        if self.cuts.wait_for(|cuts| !cuts.contains(&pair)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
