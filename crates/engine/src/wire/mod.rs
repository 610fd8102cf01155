//! A connection, whatever carries it: what clients and nodes are spoken to through.
//!
//! All kinds keep one model: wait for readiness, then read or write what can be read or written now. Nothing is ever
//! half done when a wait is given up, so every wait may stand in a `select!`. A plain socket costs one comparison more
//! than the socket itself.

mod keepalive;
mod socket;
pub mod tls;

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{Interest, Ready};

pub use self::socket::Socket;
use self::tls::TlsStream;

/// One connection.
#[derive(Debug)]
pub enum Wire {
    /// Bytes as they are.
    Plain(Socket),
    /// TLS, its handshake done.
    Tls(Box<TlsStream>),
}

impl Wire {
    /// Waits until something of `interest` can be done, or the connection has an error. May be given up at any time.
    ///
    /// # Errors
    /// What the connection says; it is of no use then.
    pub async fn ready(&mut self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Plain(socket) => socket.ready(interest).await,
            Self::Tls(stream) => stream.ready(interest).await,
        }
    }

    /// Ready when something can be read, or the connection has come to an end; keeps the waker of the last who asked.
    ///
    /// # Errors
    /// What the connection says; it is of no use then.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_readable(cx),
            Self::Tls(stream) => stream.poll_readable(cx),
        }
    }

    /// Ready when something can be written, or the connection has come to an end; keeps the waker of the last who asked.
    ///
    /// # Errors
    /// What the connection says; it is of no use then.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_writable(cx),
            Self::Tls(stream) => stream.poll_writable(cx),
        }
    }

    /// Reads into `buffer` what is there, up to the room in it; 0 is the end of the stream. A read that leaves room has
    /// read everything there was.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if nothing is there, [`ErrorKind::UnexpectedEof`] if TLS was cut off without a word;
    /// what the connection says otherwise.
    pub fn read_now(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read_now(buffer),
            Self::Tls(stream) => stream.read_now(buffer),
        }
    }

    /// Writes as much of `bytes` as is taken now.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if nothing is taken; what the connection says otherwise.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes),
            Self::Tls(stream) => stream.try_write(bytes),
        }
    }

    /// Writes as much of `parts`, one after the other, as is taken now.
    ///
    /// # Errors
    /// Like [`try_write`](Self::try_write).
    pub fn try_write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_write_vectored(parts),
            Self::Tls(stream) => stream.try_write_vectored(parts),
        }
    }

    /// The address that the peer has come from, if it came by one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(socket) => socket.peer_addr(),
            Self::Tls(stream) => stream.socket().peer_addr(),
        }
    }

    /// The address that the peer has come to, if it came by one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(socket) => socket.local_addr(),
            Self::Tls(stream) => stream.socket().local_addr(),
        }
    }

    /// Says goodbye: hands over what has been written and is not out yet. Only TLS keeps any of it back. The caller
    /// bounds how long that may take.
    pub async fn close(self) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(stream) => stream.close().await,
        }
    }

    /// Gives the connection up: what the other end has not been sent yet, or has not acknowledged, never will be sent. What
    /// has arrived there it may still read.
    pub fn give_up(self) {
        match &self {
            Self::Plain(socket) => socket.forget_unsent(),
            Self::Tls(stream) => stream.socket().forget_unsent(),
        }
    }

    /// Waits for bytes and reads them; 0 is the end of the stream. May be given up at any time.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn read(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        loop {
            self.ready(Interest::READABLE).await?;
            match self.read_now(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Writes all of `bytes`. Given up in the middle, it has written some of them.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.ready(Interest::WRITABLE).await?;
            match self.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Waker;

    use tokio::net::{TcpListener, UnixStream};

    use super::*;

    async fn tcp() -> (Wire, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = Socket::connect_tcp("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        let far = Socket::from_tcp(listener.accept().await.unwrap().0).unwrap();
        (Wire::Plain(near), Wire::Plain(far))
    }

    fn unix() -> (Wire, Wire) {
        let (near, far) = UnixStream::pair().unwrap();
        (Wire::Plain(Socket::Unix(near)), Wire::Plain(Socket::Unix(far)))
    }

    async fn every_kind() -> [(Wire, Wire); 2] {
        [tcp().await, unix()]
    }

    fn is_readable(wire: &mut Wire) -> bool {
        let ready = pin!(wire.ready(Interest::READABLE));
        ready.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_read_that_leaves_room_has_emptied_the_socket_until_more_comes() {
        for (mut near, mut far) in every_kind().await {
            for bytes in [&b"first"[..], b"second"] {
                far.write_all(bytes).await.unwrap();
                near.ready(Interest::READABLE).await.unwrap();
                let mut buffer = Vec::with_capacity(64);
                assert_eq!(near.read_now(&mut buffer).unwrap(), bytes.len());
                assert_eq!((buffer.as_slice(), is_readable(&mut near)), (bytes, false));
            }
        }
    }

    #[tokio::test]
    async fn a_read_that_leaves_no_room_may_be_repeated_at_once_and_the_end_is_seen() {
        for (mut near, mut far) in every_kind().await {
            far.write_all(b"12345678").await.unwrap();
            drop(far);
            near.ready(Interest::READABLE).await.unwrap();
            let mut buffer = [0; 4];
            for expected in [4, 4, 0] {
                assert!(is_readable(&mut near));
                assert_eq!(near.read_now(&mut buffer.as_mut_slice()).unwrap(), expected);
            }
        }
    }

    #[tokio::test]
    async fn parts_arrive_one_after_the_other_and_a_full_socket_says_so() {
        for (mut near, mut far) in every_kind().await {
            near.ready(Interest::WRITABLE).await.unwrap();
            assert_eq!(near.try_write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")]).unwrap(), 4);
            let mut buffer = Vec::with_capacity(64);
            assert_eq!(far.read(&mut buffer).await.unwrap(), 4);
            assert_eq!(buffer, b"abcd");
            let chunk = vec![0; 1 << 20];
            let full = std::iter::repeat_with(|| near.try_write(&chunk)).find_map(Result::err).unwrap();
            assert_eq!(full.kind(), ErrorKind::WouldBlock);
        }
    }
}
