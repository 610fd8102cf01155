//! Listener sockets, and the loop that accepts.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::shared::Shared;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// The pause after an accept that failed: without it a process out of file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens at `address` together with the others of this process.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sockets at `address` for `count` threads; with port 0 the first decides the port.
///
/// `SO_REUSEPORT` would let two sidecars share a port without a word, so the address is first tried without it.
pub(crate) fn bind_all(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let address = claim(address)?;
    (0..count.max(1)).map(|_| bind(address)).collect()
}

fn claim(address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    let claimed = socket.local_addr()?.as_socket();
    Ok(claimed.unwrap_or(address))
}

/// The next client.
pub(crate) async fn accept(listener: &TcpListener, shared: &Shared) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                shared.stats().accepted.increment();
                return stream;
            }
            Err(error) => {
                shared.stats().accept_errors.increment(reason(&error));
                tracing::warn!(%error, "cannot accept a client");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(23 | 24) => "out_of_file_descriptors",
        _ => "other",
    }
}
