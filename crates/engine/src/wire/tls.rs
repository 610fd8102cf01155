//! TLS over a socket, in the model of readiness that plain sockets have.
//!
//! rustls is driven by hand rather than through an async stream, because the data plane reads and writes what can be
//! read and written now, many requests at a time: ciphertext is read 64 KiB at once into a buffer of the thread, and one
//! write carries all records that have gathered. Only what a caller had no room for, and what the socket does not take,
//! stays with the connection; both are bounded.
//!
//! At the edges: a peer that leaves with `close_notify` has ended the stream, one that leaves without has cut it off,
//! which is an error. What has been accepted for writing goes out whenever readiness is waited for.

use std::cell::RefCell;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::io::{Interest, Ready};

use super::Socket;

/// Ciphertext read at a time; the most that waits for a caller with too little room.
const READ_CHUNK: usize = 64 << 10;
/// Bytes that may wait, encrypted, for the socket to take them.
const UNSENT_BOUND: usize = 64 << 10;

thread_local! {
    static CIPHERTEXT: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_CHUNK]);
}

/// TLS, its handshake done.
#[derive(Debug)]
pub struct TlsStream {
    socket: Socket,
    session: Connection,
    /// Ciphertext that was read while the caller had no room for more.
    kept: Vec<u8>,
    /// Something can be read without the socket.
    has_more: bool,
}

impl TlsStream {
    /// Shakes hands as the one who has connected; `name` is whom the peer must prove to be. The caller bounds the time.
    ///
    /// # Errors
    /// What the socket says; [`ErrorKind::InvalidData`] with what rustls says inside.
    pub async fn connect(socket: Socket, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let session = ClientConnection::new(config, name).map_err(broken)?;
        Self::shake_hands(socket, session.into()).await
    }

    /// Shakes hands as the one who was connected to. The caller bounds the time.
    ///
    /// # Errors
    /// Like [`connect`](Self::connect).
    pub async fn accept(socket: Socket, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(broken)?;
        Self::shake_hands(socket, session.into()).await
    }

    async fn shake_hands(socket: Socket, mut session: Connection) -> io::Result<Self> {
        session.set_buffer_limit(Some(UNSENT_BOUND));
        let mut stream = Self { socket, session, kept: Vec::new(), has_more: false };
        while stream.session.is_handshaking() {
            stream.flush()?;
            let ready = stream.socket.ready(stream.besides(Interest::READABLE)).await?;
            if ready.is_readable() || ready.is_read_closed() {
                stream.take_handshake()?;
            }
        }
        stream.flush()?;
        // Whatever came along with the last message of the handshake waits inside.
        stream.has_more = true;
        Ok(stream)
    }

    fn take_handshake(&mut self) -> io::Result<()> {
        let taken = CIPHERTEXT.with_borrow_mut(|scratch| {
            let read = self.socket.read_now(&mut scratch.as_mut_slice())?;
            let mut ciphertext = &scratch[..read];
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            while self.session.is_handshaking() && !ciphertext.is_empty() {
                let before = ciphertext.len();
                self.take_records(&mut ciphertext)?;
                // A goodbye in the middle of the handshake.
                if ciphertext.len() == before {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            self.kept.extend_from_slice(ciphertext);
            Ok::<(), io::Error>(())
        });
        match taken {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            taken => taken,
        }
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) async fn ready(&mut self, interest: Interest) -> io::Result<Ready> {
        loop {
            if self.has_more && interest.is_readable() {
                return Ok(Ready::READABLE);
            }
            let ready = self.socket.ready(self.besides(interest)).await?;
            if ready.is_writable() {
                self.flush()?;
            }
            let has_news = !(ready - Ready::WRITABLE).is_empty();
            if interest.is_writable() || has_news {
                return Ok(ready);
            }
        }
    }

    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits to go out goes out meanwhile, and wakes the caller for more of it.
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        if self.has_more { Poll::Ready(Ok(())) } else { self.socket.poll_readable(cx) }
    }

    pub(super) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.socket.poll_writable(cx)
    }

    /// Ready when nothing waits to go out any more.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.flush()?;
            if !self.session.wants_write() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.socket.poll_writable(cx))?;
        }
    }

    /// `interest`, and that in writing while something waits to go out.
    fn besides(&self, interest: Interest) -> Interest {
        if self.session.wants_write() { interest | Interest::WRITABLE } else { interest }
    }

    pub(super) fn read_now(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        let room = buffer.chunk_mut().len();
        let mut read = 0;
        self.has_more = true;
        while read < room {
            match self.read_some(buffer, room - read) {
                Ok(0) if read == 0 => return Ok(0),
                Ok(0) => break,
                Ok(some) => read += some,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_more = false;
                    break;
                }
                // It is met again when what came before it has been read.
                Err(_) if read > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if read == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(read) }
    }

    /// Reads what is decrypted already; else what has been kept; else what the socket has. 0 is the end.
    fn read_some(&mut self, buffer: &mut impl BufMut, room: usize) -> io::Result<usize> {
        match self.take_plaintext(buffer, room) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            taken => return taken,
        }
        if !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            return self.decrypt(&kept, buffer, room);
        }
        CIPHERTEXT.with_borrow_mut(|scratch| {
            let read = self.socket.read_now(&mut scratch.as_mut_slice())?;
            if read == 0 {
                self.session.read_tls(&mut io::empty())?;
                return self.take_plaintext(buffer, room);
            }
            self.decrypt(&scratch[..read], buffer, room)
        })
    }

    /// Decrypts until the ciphertext or the room is used up; keeps what is left of the former.
    fn decrypt(&mut self, mut ciphertext: &[u8], buffer: &mut impl BufMut, room: usize) -> io::Result<usize> {
        let mut read = 0;
        while read < room && !ciphertext.is_empty() {
            self.take_records(&mut ciphertext)?;
            match self.take_plaintext(buffer, room - read) {
                // The peer has said goodbye; what follows is not for anybody.
                Ok(0) => return Ok(read),
                Ok(some) => read += some,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.kept.extend_from_slice(ciphertext);
        // A peer that changes its keys is answered.
        self.flush()?;
        if read == 0 { self.take_plaintext(buffer, room) } else { Ok(read) }
    }

    /// Hands rustls the next of the ciphertext, whole records or not.
    fn take_records(&mut self, ciphertext: &mut &[u8]) -> io::Result<()> {
        self.session.read_tls(ciphertext)?;
        if let Err(error) = self.session.process_new_packets() {
            // The peer is told why, if it can be; that the connection has failed is known already.
            let _ = self.flush();
            return Err(broken(error));
        }
        Ok(())
    }

    /// Moves what is decrypted, up to the room; 0 is the end.
    fn take_plaintext(&mut self, buffer: &mut impl BufMut, room: usize) -> io::Result<usize> {
        let mut taken = 0;
        let mut reader = self.session.reader();
        while taken < room {
            let chunk = match reader.fill_buf() {
                Ok([]) => break,
                Err(_) if taken > 0 => break,
                chunk => chunk?,
            };
            let len = chunk.len().min(room - taken);
            buffer.put_slice(&chunk[..len]);
            reader.consume(len);
            taken += len;
        }
        Ok(taken)
    }

    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            let taken = self.session.writer().write(&bytes[written..])?;
            written += taken;
            self.flush()?;
            if self.session.wants_write() {
                break;
            }
        }
        if written == 0 && !bytes.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    pub(super) fn try_write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = self.session.writer().write_vectored(parts)?;
        self.flush()?;
        let is_empty = parts.iter().all(|part| part.is_empty());
        if taken == 0 && !is_empty { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Writes records until none are left or the socket takes no more.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Records(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) async fn close(mut self: Box<Self>) {
        self.session.send_close_notify();
        while self.flush().is_ok() && self.session.wants_write() {
            if self.socket.ready(Interest::WRITABLE).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for TlsStream {
    /// Without a goodbye the peer would have to take the end for a cut.
    fn drop(&mut self) {
        self.session.send_close_notify();
        // Nobody is left to hear that it did not go out.
        let _ = self.flush();
    }
}

/// Where records go.
struct Records<'s>(&'s Socket);

impl Write for Records<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
