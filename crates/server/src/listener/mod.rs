//! The doors clients come in through: accepted at one after the other, so that none is starved.

pub(crate) mod doors;
mod socket_file;
mod tcp;

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use failsoft::telemetry::figures::ACCEPT_ERRORS;
use failsoft::wire::Socket;
use failsoft_resp::encode;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;

use crate::shared::Shared;

/// Connections that may wait to be accepted at one door.
const BACKLOG: i32 = 1_024;
/// The pause after an accept that failed: without it a process out of file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long nothing is said about further accepts that failed; they are counted.
const SILENCE: Duration = Duration::from_secs(10);
const OUT_OF_DESCRIPTORS: &str = ACCEPT_ERRORS[0];
const OTHER: &str = ACCEPT_ERRORS[1];

/// A listening socket that no runtime has yet.
pub(crate) enum Listener {
    /// At an address and port.
    Tcp(std::net::TcpListener, Speech),
    /// In the file system.
    Unix(std::os::unix::net::UnixListener),
}

/// What is spoken at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Redis' protocol.
    Plain,
    /// TLS, and Redis' protocol inside.
    Tls,
}

/// A client that has just come.
pub(crate) struct Arrival {
    /// Its connection.
    pub(crate) socket: Socket,
    /// What is spoken at the door it came in through.
    pub(crate) speech: Speech,
}

impl Arrival {
    /// Says what Redis says when there are too many clients, and closes; where TLS is spoken, which takes longer than
    /// there is time for, it only closes.
    pub(crate) fn turn_away(self) {
        let mut reply = Vec::new();
        encode::error(&mut reply, "ERR max number of clients reached");
        match self.speech {
            // The client is turned away whether or not it hears why.
            Speech::Plain => drop(self.socket.leave_with(&reply)),
            Speech::Tls => {}
        }
    }
}

/// Accepts clients; keeps a file descriptor in reserve, so that a client who comes when there are no more can be told so
/// instead of being left to wait.
pub(crate) struct Acceptor {
    doors: Vec<Door>,
    /// The door that is looked at first, so that none is starved by another.
    first: usize,
    reserve: Option<File>,
    told: Option<Instant>,
}

impl Acceptor {
    /// Accepts at `listeners`, on the present runtime.
    pub(crate) fn new(listeners: Vec<Listener>) -> io::Result<Self> {
        let doors = listeners.into_iter().map(Door::open).collect::<io::Result<_>>()?;
        Ok(Self { doors, first: 0, reserve: reserve(), told: None })
    }

    /// The next client.
    pub(crate) async fn accept(&mut self, shared: &Shared) -> Arrival {
        loop {
            match poll_fn(|context| self.poll_accept(context)).await {
                Ok(arrival) => {
                    shared.stats().accepted.increment();
                    return arrival;
                }
                Err(error) => self.handle_error(&error, shared).await,
            }
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        for turn in 0..self.doors.len() {
            let index = (self.first + turn) % self.doors.len();
            if let Poll::Ready(accepted) = self.doors[index].poll_accept(context) {
                self.first = index + 1;
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
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
    fn turn_away_all(&mut self) {
        let mut nobody = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok(arrival)) = self.poll_accept(&mut nobody) {
            arrival.turn_away();
        }
    }
}

/// A listening socket on a runtime.
enum Door {
    Tcp(TcpListener, Speech),
    Unix(UnixListener),
}

impl Door {
    fn open(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener, speech) => {
                TcpListener::from_std(listener).map(|listener| Self::Tcp(listener, speech))
            }
            Listener::Unix(listener) => UnixListener::from_std(listener).map(Self::Unix),
        }
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        let (socket, speech) = match self {
            Self::Tcp(listener, speech) => (Socket::from_tcp(ready!(listener.poll_accept(context))?.0)?, *speech),
            Self::Unix(listener) => (Socket::Unix(ready!(listener.poll_accept(context))?.0), Speech::Plain),
        };
        Poll::Ready(Ok(Arrival { socket, speech }))
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
