//! Getting through to a node: the socket, and TLS over it where the node's URL asks for it.
//!
//! A node that is to be spoken to over TLS is never spoken to without, whatever fails.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use failsoft_core::outcome::{Failure, TlsFault};
use tokio::time::{Instant, timeout_at};

use super::NodeOptions;
use crate::settings::NodeAddress;
use crate::tls::{ClientTls, node_fault};
use crate::wire::tls::TlsStream;
use crate::wire::{Socket, Wire};

/// Connects, and does TLS' handshake if there is to be one.
pub(super) async fn dial(options: &NodeOptions, deadline: Instant) -> Result<Wire, Failure> {
    let connecting = connect(&options.address);
    let socket = timeout_at(deadline, connecting).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    let socket = socket.map_err(|error| failure(&error))?;
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

async fn connect(address: &NodeAddress) -> io::Result<Socket> {
    match address {
        NodeAddress::Tcp { host, port, .. } => Socket::connect_tcp(host, *port).await,
        NodeAddress::Unix { path } => Socket::connect_unix(path).await,
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
