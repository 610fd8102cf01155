//! Reading what a socket has now.
//!
//! `try_read` leaves tokio to believe that there is more until a read has found nothing, which costs every batch of
//! bytes a second system call. The read of `AsyncRead` knows that a read which leaves room has emptied the socket; it
//! is polled here once and not waited for, because who calls this has already waited.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Reads into `buffer` what is there, up to the room in it; 0 is the end of the stream.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if nothing is there; what the socket says otherwise.
pub fn read_now(stream: &mut TcpStream, buffer: &mut impl BufMut) -> io::Result<usize> {
    let read = pin!(stream.read_buf(buffer));
    match read.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, Interest};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    fn is_readable(stream: &TcpStream) -> bool {
        let ready = pin!(stream.ready(Interest::READABLE));
        ready.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_read_that_leaves_room_has_emptied_the_socket_until_more_comes() {
        let (mut near, mut far) = pair().await;
        for bytes in [&b"first"[..], b"second"] {
            far.write_all(bytes).await.unwrap();
            near.readable().await.unwrap();
            let mut buffer = Vec::with_capacity(64);
            assert_eq!(read_now(&mut near, &mut buffer).unwrap(), bytes.len());
            assert_eq!((buffer.as_slice(), is_readable(&near)), (bytes, false));
        }
    }

    #[tokio::test]
    async fn a_read_that_leaves_no_room_may_be_repeated_at_once_and_the_end_is_seen() {
        let (mut near, mut far) = pair().await;
        far.write_all(b"12345678").await.unwrap();
        drop(far);
        near.readable().await.unwrap();
        let mut buffer = [0; 4];
        for expected in [4, 4, 0] {
            assert!(is_readable(&near));
            assert_eq!(read_now(&mut near, &mut buffer.as_mut_slice()).unwrap(), expected);
        }
    }
}
