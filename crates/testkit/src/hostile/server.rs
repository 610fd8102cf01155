//! A server that does what its script says about each request, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::script::{Act, Decided, Script};
use crate::door::{Door, delivered};
use crate::frame::{Framer, Speaker, arguments};
use crate::port::FreePort;

/// A scripted server on a loopback port. Dropping it resets its connections.
pub struct HostileServer {
    door: Door,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl HostileServer {
    /// Starts a server that follows `script` on every connection.
    pub async fn start(script: Script) -> Self {
        Self::start_with(|_| script).await
    }

    /// As [`HostileServer::start`], with a script that may name the server's own address (MOVED to itself).
    pub async fn start_with(script: impl FnOnce(SocketAddr) -> Script) -> Self {
        let port = FreePort::reserve();
        let script = Arc::new(script(port.addr()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let door = Door::on(port, move |stream| follow(stream, Arc::clone(&script), Arc::clone(&log))).await;
        Self { door, asked }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    /// `redis://` and the address.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// Every request read, as words, in order of arrival over all connections.
    pub fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().clone()
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.door.connections()
    }

    /// Connections ever accepted.
    pub fn accepted(&self) -> u64 {
        self.door.accepted()
    }
}

async fn follow(mut stream: TcpStream, script: Arc<Script>, asked: Arc<Mutex<Vec<Vec<String>>>>) {
    // An error or an end is the peer's choice; either way the play is over.
    let _ = play(&mut stream, &script, &asked).await;
}

/// The connection is over, by script or by the peer.
struct Over;

async fn play(stream: &mut TcpStream, script: &Script, asked: &Mutex<Vec<Vec<String>>>) -> Result<(), Over> {
    perform(stream, script.opening()).await?;
    let mut framer = Framer::new(Speaker::Client);
    let mut buffer = vec![0; 64 * 1024];
    let mut number = 0;
    loop {
        while let Some(request) = framer.next_frame().map_err(|_| Over)? {
            let words = words(&request);
            let decided = script.about(&words, number);
            asked.lock().push(words);
            let acts = match decided {
                Decided::ByWord(acts) => acts,
                Decided::ByNumber(acts) => {
                    number += 1;
                    acts
                }
            };
            perform(stream, acts).await?;
        }
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => framer.push(&buffer[..read]),
            Ok(0) | Err(_) => return Err(Over),
        }
    }
}

fn words(request: &[u8]) -> Vec<String> {
    arguments(request).iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

async fn perform(stream: &mut TcpStream, acts: &[Act]) -> Result<(), Over> {
    for act in acts {
        match act {
            Act::Send(bytes) => stream.write_all(bytes).await.map_err(|_| Over)?,
            Act::SendForever(bytes) => loop {
                stream.write_all(bytes).await.map_err(|_| Over)?;
            },
            Act::Wait(lasting) => tokio::time::sleep(*lasting).await,
            Act::Hang => return swallow(stream).await,
            Act::Close => {
                stream.shutdown().await.map_err(|_| Over)?;
                return swallow(stream).await;
            }
            Act::Reset => {
                delivered(stream).await;
                return Err(Over);
            }
        }
    }
    Ok(())
}

/// Reads on until the peer is gone: unread bytes would turn an orderly close into a reset.
async fn swallow(stream: &mut TcpStream) -> Result<(), Over> {
    while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {}
    Err(Over)
}
