//! Listener sockets, and the loop that accepts.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use failsoft::telemetry::figures::ACCEPT_ERRORS;
use failsoft_resp::encode;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::shared::Shared;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// The pause after an accept that failed: without it a process out of file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long nothing is said about further accepts that failed; they are counted.
const SILENCE: Duration = Duration::from_secs(10);
const OUT_OF_DESCRIPTORS: &str = ACCEPT_ERRORS[0];
const OTHER: &str = ACCEPT_ERRORS[1];

/// A socket that listens at `address` together with the others of this process.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
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

/// Accepts clients; keeps a file descriptor in reserve, so that a client who comes when there are no more can be told so
/// instead of being left to wait.
pub(crate) struct Acceptor {
    listener: TcpListener,
    reserve: Option<File>,
    told: Option<Instant>,
}

impl Acceptor {
    pub(crate) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, reserve: reserve(), told: None })
    }

    /// The next client.
    pub(crate) async fn accept(&mut self, shared: &Shared) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    shared.stats().accepted.increment();
                    return stream;
                }
                Err(error) => self.handle_error(&error, shared).await,
            }
        }
    }

    async fn handle_error(&mut self, error: &io::Error, shared: &Shared) {
        let reason = reason(error);
        shared.stats().accept_errors.increment(reason);
        if self.told.is_none_or(|told| told.elapsed() > SILENCE) {
            self.told = Some(Instant::now());
            tracing::warn!(%error, "cannot accept clients; those who come are turned away (is `ulimit -n` too low?)");
        }
        if reason == OUT_OF_DESCRIPTORS && self.reserve.take().is_some() {
            self.turn_away_all();
        }
        // At once, before the descriptor goes to somebody else.
        self.reserve = self.reserve.take().or_else(reserve);
        sleep(ACCEPT_PAUSE).await;
        self.reserve = self.reserve.take().or_else(reserve);
    }

    /// Uses the descriptor that has just been given up for one after the other of those who wait.
    fn turn_away_all(&self) {
        let mut reply = Vec::new();
        encode::error(&mut reply, "ERR max number of clients reached");
        let mut nobody = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok((stream, _))) = self.listener.poll_accept(&mut nobody) {
            // The client is turned away whether or not it hears why.
            let _ = stream.into_std().and_then(|mut stream| stream.write(&reply));
        }
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(23 | 24) => OUT_OF_DESCRIPTORS,
        _ => OTHER,
    }
}
