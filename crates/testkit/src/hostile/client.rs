//! A client that sends what it likes, when it likes, and reads as it pleases; every wait has a deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::door::prepare;
use crate::frame::{Framer, Speaker, encode};

/// A raw TCP connection. Dropping it resets it; [`HostileClient::finish_sending`] ends it in order.
#[derive(Debug)]
pub struct HostileClient {
    stream: TcpStream,
    framer: Framer,
}

/// How the peer ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowClosed {
    /// In order (FIN).
    Finished,
    /// With a reset (RST) or another error.
    Reset,
}

/// What came before the peer ended the connection, and how it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Everything not read before.
    pub bytes: Vec<u8>,
    /// Finished or reset.
    pub how: HowClosed,
}

impl HostileClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens at `addr`.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
        prepare(&stream);
        Self { stream, framer: Framer::new(Speaker::Server) }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the peer has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends a well-formed command.
    ///
    /// # Errors
    /// When the peer has closed the connection.
    pub async fn send_command(&mut self, words: &[&str]) -> io::Result<()> {
        self.send(encode(words)).await
    }

    /// Sends bytes in slices of `size`, with `pause` between them (a slowloris pauses long).
    ///
    /// # Errors
    /// When the peer has closed the connection.
    pub async fn send_slices(&mut self, bytes: impl AsRef<[u8]>, size: usize, pause: Duration) -> io::Result<()> {
        for slice in bytes.as_ref().chunks(size.max(1)) {
            self.send(slice).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Sends bytes over and over, reading nothing, until the peer has taken none for `stall`, closes, or `most` bytes are sent.
    ///
    /// Returns how many bytes went out, the peer's and the kernels' buffers included.
    pub async fn flood(&mut self, bytes: impl AsRef<[u8]>, most: usize, stall: Duration) -> usize {
        let bytes = bytes.as_ref();
        let mut sent = 0;
        while sent < most {
            match timeout(stall, self.stream.write(&bytes[sent % bytes.len()..])).await {
                Ok(Ok(written)) => sent += written,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        sent
    }

    /// Half-closes: the peer reads an end, and may still answer.
    pub async fn finish_sending(&mut self) {
        // A peer that is gone already has nothing to be told.
        let _ = self.stream.shutdown().await;
    }

    /// Resets the connection.
    pub fn reset(self) {}

    /// Reads exactly `count` bytes.
    ///
    /// # Panics
    /// When the peer closes before, or they have not come `within` the time; what did come is in the message.
    pub async fn read_exactly(&mut self, count: usize, within: Duration) -> Vec<u8> {
        let mut bytes = self.framer.take_rest();
        let reading = async {
            while bytes.len() < count {
                if self.read_some(&mut bytes).await != More::Perhaps {
                    break;
                }
            }
        };
        let in_time = timeout(within, reading).await.is_ok();
        assert!(bytes.len() >= count, "{} of {count} bytes (in time: {in_time}): {}", bytes.len(), shown(&bytes));
        self.framer.push(&bytes[count..]);
        bytes.truncate(count);
        bytes
    }

    /// Reads one whole reply.
    ///
    /// # Panics
    /// When it is not RESP, the peer closes before, or it has not come `within` the time.
    pub async fn read_reply(&mut self, within: Duration) -> Vec<u8> {
        let reply = self.next_reply(within).await;
        reply.unwrap_or_else(|| panic!("closed before a reply: {}", shown(&self.framer.take_rest())))
    }

    /// Reads one whole reply; none when the peer has ended the connection.
    ///
    /// # Panics
    /// When it is not RESP, or has not come `within` the time.
    pub async fn next_reply(&mut self, within: Duration) -> Option<Vec<u8>> {
        let reading = async {
            loop {
                match self.framer.next_frame() {
                    Ok(Some(reply)) => return Some(reply),
                    Ok(None) => {}
                    Err(_) => panic!("not RESP: {}", shown(&self.framer.take_rest())),
                }
                let mut bytes = Vec::new();
                let more = self.read_some(&mut bytes).await;
                self.framer.push(&bytes);
                if more != More::Perhaps {
                    return None;
                }
            }
        };
        timeout(within, reading).await.unwrap_or_else(|_| panic!("no reply within {within:?}"))
    }

    /// Sends a command and reads its reply, as text.
    ///
    /// # Panics
    /// As [`HostileClient::read_reply`], and when the command cannot be sent.
    pub async fn ask(&mut self, words: &[&str], within: Duration) -> String {
        self.send_command(words).await.unwrap_or_else(|error| panic!("cannot send {words:?}: {error}"));
        String::from_utf8_lossy(&self.read_reply(within).await).into_owned()
    }

    /// Reads until the peer ends the connection.
    ///
    /// # Panics
    /// When it has not `within` the time; what did come is in the message.
    pub async fn read_until_closed(&mut self, within: Duration) -> Closed {
        let mut bytes = self.framer.take_rest();
        let reading = async {
            loop {
                match self.read_some(&mut bytes).await {
                    More::Perhaps => {}
                    More::None(how) => return how,
                }
            }
        };
        match timeout(within, reading).await {
            Ok(how) => Closed { bytes, how },
            Err(_) => panic!("still open after {within:?}, having sent {}", shown(&bytes)),
        }
    }

    /// Whether nothing, not even an end, comes for `lasting`.
    pub async fn is_silent(&mut self, lasting: Duration) -> bool {
        let mut bytes = Vec::new();
        let silent = timeout(lasting, self.read_some(&mut bytes)).await.is_err();
        self.framer.push(&bytes);
        silent
    }

    async fn read_some(&mut self, into: &mut Vec<u8>) -> More {
        match self.stream.read_buf(into).await {
            Ok(0) => More::None(HowClosed::Finished),
            Ok(_) => More::Perhaps,
            Err(_) => More::None(HowClosed::Reset),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum More {
    Perhaps,
    None(HowClosed),
}

fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..200).unwrap_or(bytes);
    format!("{:?} ({} bytes)", String::from_utf8_lossy(start), bytes.len())
}
