//! Bare connections to a Redis: no handshake, no pool, no retry, so that a fault is seen as it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::frame::{Framer, Speaker, encode};

/// A server that has not answered by then is taken for one that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(addr).await
}

/// Sends one command without waiting for its reply.
pub(super) async fn send(stream: &mut TcpStream, words: &[&str]) -> io::Result<()> {
    stream.write_all(&encode(words)).await
}

/// Sends one command and returns the first line of its reply; `None` when there is none in time.
pub(super) async fn ask(stream: &mut TcpStream, words: &[&str]) -> Option<String> {
    send(stream, words).await.ok()?;
    timeout(PATIENCE, first_line(stream)).await.ok()?
}

/// Whether a fresh connection gets any reply but LOADING.
pub(super) async fn is_answering(addr: SocketAddr) -> bool {
    first_word_of_ping(addr).await.is_some_and(|word| word != "-LOADING")
}

/// The first word a fresh connection's PING is answered with.
pub(super) async fn first_word_of_ping(addr: SocketAddr) -> Option<String> {
    let mut stream = connect(addr).await.ok()?;
    let line = ask(&mut stream, &["PING"]).await?;
    line.split_whitespace().next().map(str::to_owned)
}

async fn first_line(stream: &mut TcpStream) -> Option<String> {
    let mut framer = Framer::new(Speaker::Server);
    let mut buffer = [0; 4096];
    loop {
        if let Some(frame) = framer.next_frame().ok()? {
            let text = String::from_utf8_lossy(&frame);
            return text.lines().next().map(str::to_owned);
        }
        match stream.read(&mut buffer).await.ok()? {
            0 => return None,
            read => framer.push(&buffer[..read]),
        }
    }
}
