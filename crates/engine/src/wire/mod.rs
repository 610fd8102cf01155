//! A connection, whatever carries it: what clients and nodes are spoken to through.
//!
//! All kinds keep one model: wait for readiness, then read or write what can be read or written now. Nothing is ever
//! half done when a wait is given up, so every wait may stand in a `select!`.
//!
//! `try_read` leaves tokio to believe that there is more until a read has found nothing, which costs every batch of
//! bytes a second system call. The read of `AsyncRead` knows that a read which leaves room has emptied the socket; it
//! is polled here once and not waited for, because who calls this has already waited.

mod keepalive;

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use self::keepalive::NODE_KEEPALIVE;

/// One connection.
#[derive(Debug)]
pub enum Wire {
    /// To an address and port.
    Tcp(TcpStream),
    /// To a socket in the file system.
    Unix(UnixStream),
}

impl Wire {
    /// Connects to `host`, a name or an IP address, which is asked now and then whether it is still there.
    ///
    /// # Errors
    /// What resolving the name or connecting to the last of its addresses has said.
    pub async fn connect_tcp(host: &str, port: u16) -> io::Result<Self> {
        let wire = Self::from_tcp(TcpStream::connect((host, port)).await?)?;
        wire.keep_alive(NODE_KEEPALIVE)?;
        Ok(wire)
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

    /// Waits until something of `interest` can be done, or the connection has an error. May be given up at any time.
    ///
    /// # Errors
    /// What the operating system says; the connection is of no use then.
    pub async fn ready(&mut self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
        }
    }

    /// Ready when something can be read, or the connection has come to an end; keeps the waker of the last who asked.
    ///
    /// # Errors
    /// What the operating system says; the connection is of no use then.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Ready when something can be written, or the connection has come to an end; keeps the waker of the last who asked.
    ///
    /// # Errors
    /// What the operating system says; the connection is of no use then.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Reads into `buffer` what is there, up to the room in it; 0 is the end of the stream. A read that leaves room has
    /// read everything there was.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if nothing is there; what the connection says otherwise.
    pub fn read_now(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => poll_once(stream, buffer),
            Self::Unix(stream) => poll_once(stream, buffer),
        }
    }

    /// Writes as much of `bytes` as is taken now.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if nothing is taken; what the connection says otherwise.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Writes as much of `parts`, one after the other, as is taken now.
    ///
    /// # Errors
    /// Like [`try_write`](Self::try_write).
    pub fn try_write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(parts),
            Self::Unix(stream) => stream.try_write_vectored(parts),
        }
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

fn poll_once(stream: &mut (impl AsyncRead + Unpin), buffer: &mut impl BufMut) -> io::Result<usize> {
    let read = pin!(stream.read_buf(buffer));
    match read.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn tcp() -> (Wire, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = Wire::connect_tcp("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        (near, Wire::from_tcp(listener.accept().await.unwrap().0).unwrap())
    }

    fn unix() -> (Wire, Wire) {
        let (near, far) = UnixStream::pair().unwrap();
        (Wire::Unix(near), Wire::Unix(far))
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
