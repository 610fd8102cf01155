//! Listening at an address and port, with a socket for each thread.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::BACKLOG;

/// A socket that listens at `address` together with the others of this process.
fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
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
