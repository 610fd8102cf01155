//! The smallest HTTP client that reads an admin port: one GET, HTTP/1.0, the whole body.
//!
//! Version 1.0 because its answers are never chunked and end where the connection does.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// GETs `path` (with its query, if any) from `addr`; `None` when there is no whole answer within ten seconds.
pub async fn get(addr: SocketAddr, path: &str) -> Option<Response> {
    tokio::time::timeout(Duration::from_secs(10), exchange(addr, path)).await.ok()?
}

async fn exchange(addr: SocketAddr, path: &str) -> Option<Response> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}
