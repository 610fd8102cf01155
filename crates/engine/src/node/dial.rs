//! Getting through to a node: the socket, and TLS over it where the node's URL asks for it.
//!
//! A node that is to be spoken to over TLS is never spoken to without, whatever fails. The name of a node that was learned
//! of is resolved and judged every time: who has the name today need not have had it when it was learned.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use failsoft_core::outcome::{Failure, TlsFault};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use super::NodeOptions;
use crate::settings::{Networks, NodeAddress};
use crate::tls::{ClientTls, node_fault};
use crate::wire::tls::TlsStream;
use crate::wire::{Socket, Wire};

/// To which addresses the name of a node may lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leads {
    /// To any: the settings name the node.
    #[default]
    Anywhere,
    /// To those in certain networks: it was learned of.
    Within(Networks),
}

/// Connects, and does TLS' handshake if there is to be one.
pub(super) async fn dial(options: &NodeOptions, deadline: Instant) -> Result<Wire, Failure> {
    let socket = timeout_at(deadline, connect(options)).await.unwrap_or(Err(Failure::ConnectTimeout))?;
    match (&options.tls, &options.address) {
        (Some(tls), NodeAddress::Tcp { host, .. }) => {
            let secured = timeout_at(deadline, secure(socket, tls, host)).await;
            secured.unwrap_or(Err(TlsFault::Timeout)).map_err(Failure::Tls)
        }
        (Some(_), NodeAddress::Unix { .. }) | (None, _) => Ok(Wire::Plain(socket)),
    }
}

/// What an error of a connection that has not been used yet says.
pub(super) fn failure(error: &io::Error) -> Failure {
    if let Some(fault) = node_fault(error) {
        return Failure::Tls(fault);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Failure::ConnectRefused,
        ErrorKind::TimedOut => Failure::ConnectTimeout,
        _ => Failure::Unreachable,
    }
}

async fn connect(options: &NodeOptions) -> Result<Socket, Failure> {
    let socket = match (&options.address, &options.leads) {
        (NodeAddress::Unix { path }, _) => Socket::connect_unix(path).await,
        (NodeAddress::Tcp { host, port, .. }, Leads::Anywhere) => Socket::connect_tcp(host, *port).await,
        (NodeAddress::Tcp { host, port, .. }, Leads::Within(networks)) => {
            Socket::connect_to(&permitted(host, *port, networks).await?).await
        }
    };
    socket.map_err(|error| failure(&error))
}

/// The addresses to which `host` leads, without those that are out of bounds.
async fn permitted(host: &str, port: u16, networks: &Networks) -> Result<Vec<SocketAddr>, Failure> {
    let resolved = lookup_host((host, port)).await.map_err(|error| failure(&error))?;
    let (mut permitted, mut refused) = (Vec::new(), None);
    for address in resolved {
        match networks.permit(address.ip()) {
            Ok(()) => permitted.push(address),
            Err(why) => refused = Some((address, why)),
        }
    }
    match refused {
        Some((address, why)) if permitted.is_empty() => {
            tracing::debug!(host, %address, %why, "not connected to");
            Err(Failure::Forbidden)
        }
        Some(_) | None => Ok(permitted),
    }
}

async fn secure(socket: Socket, tls: &Arc<ClientTls>, host: &str) -> Result<Wire, TlsFault> {
    let name = tls.name_of(host).ok_or(TlsFault::WrongName)?;
    match TlsStream::connect(socket, tls.config(), name).await {
        Ok(stream) => Ok(Wire::Tls(Box::new(stream))),
        Err(error) => {
            tracing::debug!(host, %error, "no TLS");
            Err(node_fault(&error).unwrap_or(TlsFault::Lost))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::node::{Credentials, Reads};
    use crate::settings;

    fn networks(redis: &str) -> Networks {
        let text = format!("[redis]\ntopology = \"cluster\"\n{redis}");
        settings::parse(&text, "failsoft.toml").unwrap().settings.redis().networks().clone()
    }

    async fn dialled(host: &str, port: u16, leads: Leads) -> Result<(), Failure> {
        let long = Duration::from_secs(20);
        let options = NodeOptions {
            address: NodeAddress::plain(host, port),
            leads,
            tls: None,
            credentials: Credentials::default(),
            database: 0,
            reads: Reads::OfPrimary,
            connect_timeout: long,
            timeout: long,
            connections: 1,
            max_pending: 1,
            max_dedicated: 1,
            max_connects: 1,
            max_value: 1,
            probe_interval: long,
            probe_key: String::new(),
        };
        dial(&options, Instant::now() + long).await.map(drop)
    }

    #[tokio::test]
    async fn a_name_is_judged_by_where_it_leads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let elsewhere = || Leads::Within(networks("nodes = [\"redis://10.0.0.1\"]"));
        let here = || Leads::Within(networks("nodes = [\"redis://localhost\"]"));
        let listed = || Leads::Within(networks("networks = [\"127.0.0.0/8\", \"::1\"]"));
        for host in ["localhost", "127.0.0.1"] {
            assert_eq!(dialled(host, port, elsewhere()).await, Err(Failure::Forbidden));
            assert_eq!(dialled(host, port, here()).await, Ok(()));
            assert_eq!(dialled(host, port, listed()).await, Ok(()));
            assert_eq!(dialled(host, port, Leads::Anywhere).await, Ok(()));
        }
        for _ in 0..6 {
            listener.accept().await.unwrap();
        }
        drop(listener);
        assert_eq!(dialled("localhost", port, here()).await, Err(Failure::ConnectRefused));
        assert_eq!(dialled("no-such-name.invalid", port, here()).await, Err(Failure::Unreachable));
    }
}
