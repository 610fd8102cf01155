//! What the kernel gives: a connection over TCP, or through the file system.
//!
//! `try_read` leaves tokio to believe that there is more until a read has found nothing, which costs every batch of
//! bytes a second system call. The read of `AsyncRead` knows that a read which leaves room has emptied the socket; it
//! is polled here once and not waited for, because who calls this has already waited.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use super::keepalive::NODE_KEEPALIVE;

/// A connection without protection.
#[derive(Debug)]
pub enum Socket {
    /// To an address and port.
    Tcp(TcpStream),
    /// To a socket in the file system.
    Unix(UnixStream),
}

impl Socket {
    /// Connects to `host`, a name or an IP address, which is asked now and then whether it is still there.
    ///
    /// # Errors
    /// What resolving the name or connecting to the last of its addresses has said.
    pub async fn connect_tcp(host: &str, port: u16) -> io::Result<Self> {
        Self::to_node(TcpStream::connect((host, port)).await?)
    }

    /// Connects to the first of `addresses` that answers, like [`connect_tcp`](Self::connect_tcp).
    ///
    /// # Errors
    /// What connecting to the last of them has said.
    pub async fn connect_to(addresses: &[SocketAddr]) -> io::Result<Self> {
        Self::to_node(TcpStream::connect(addresses).await?)
    }

    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }

    /// Takes a TCP connection, without Nagle's algorithm: what is written is complete, and waited for.
    ///
    /// # Errors
    /// What the operating system says; the connection is of no use then.
    pub fn from_tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Writes `bytes` without waiting, as far as they are taken, and closes. Works on a connection of which nothing is
    /// known yet, not even that it can be written to.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn leave_with(self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.into_std()?.write(bytes),
            Self::Unix(stream) => stream.into_std()?.write(bytes),
        }
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// When it is closed, what has not been sent is dropped and the other end is told so by a reset: otherwise the system
    /// would go on sending it for minutes.
    pub(super) fn forget_unsent(&self) {
        if let Self::Tcp(stream) = self {
            // It is only about what is lost in any case.
            let _ = stream.set_zero_linger();
        }
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    fn to_node(stream: TcpStream) -> io::Result<Self> {
        let socket = Self::from_tcp(stream)?;
        socket.keep_alive(NODE_KEEPALIVE)?;
        Ok(socket)
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
        }
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    pub(super) fn read_now(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => poll_once(stream, buffer),
            Self::Unix(stream) => poll_once(stream, buffer),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    pub(super) fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(parts),
            Self::Unix(stream) => stream.try_write_vectored(parts),
        }
    }
}

fn poll_once(stream: &mut (impl AsyncRead + Unpin), buffer: &mut impl BufMut) -> io::Result<usize> {
    let read = pin!(stream.read_buf(buffer));
    match read.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
