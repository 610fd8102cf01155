//! A TCP proxy that understands RESP just enough to fail at a chosen place, switchable while connections are open.
//!
//! Its vocabulary is toxiproxy's: a [`Mode`] says what happens to all traffic, [`Toxics`] shape what passes, and a
//! [`OneShot`] strikes a single reply. Replies and requests are passed on whole (a frame is held until its last byte has
//! come), so that a fault lands on a frame boundary or a chosen distance from one; bytes that are not RESP
//! pass unexamined. A connection that has lost a request or a reply never passes anything again and is reset when
//! the mode allows traffic: TCP does not lose bytes and go on, and neither may its impersonator.

mod connection;
mod faults;
mod line;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;

pub use faults::{Mode, OneShot, Toxics};

use crate::door::Door;
use state::{News, State};

/// A fault proxy before one upstream address. Dropping it resets its connections.
pub struct FaultProxy {
    door: Door,
    state: Arc<State>,
}

impl FaultProxy {
    /// Listens on a free loopback port and passes everything to `upstream`, which is connected to once for each client.
    pub async fn start(upstream: SocketAddr) -> Self {
        let state = Arc::new(State::new(upstream));
        let shared = Arc::clone(&state);
        let door = Door::open_with(move |client| connection::serve(client, Arc::clone(&shared))).await;
        Self { door, state }
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    /// `redis://` and the address.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// Switches the mode for open and future connections; on return, the port listens or refuses as it says.
    pub async fn set_mode(&self, mode: Mode) {
        self.state.set_mode(mode);
        match mode {
            Mode::Refuse => self.door.close().await,
            Mode::Pass | Mode::AcceptSilent | Mode::DropRequests | Mode::DropReplies | Mode::HalfOpen => {
                self.door.open().await;
            }
        }
    }

    /// Shapes what passes from here on.
    pub fn set_toxics(&self, toxics: Toxics) {
        self.state.set_toxics(toxics);
    }

    /// Strikes the next reply, on whichever connection it comes.
    pub fn once(&self, fault: OneShot) {
        self.nth(1, fault);
    }

    /// Strikes the `nth` reply from here on (1 is the next), on whichever connection it comes.
    ///
    /// # Panics
    /// When `nth` is 0.
    pub fn nth(&self, nth: u64, fault: OneShot) {
        assert!(nth > 0, "the first reply is number 1");
        self.state.arm(nth, fault);
    }

    /// One-shots that have not struck yet.
    pub fn armed(&self) -> usize {
        self.state.armed()
    }

    /// Passes future connections to another upstream; open ones stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.state.set_upstream(upstream);
    }

    /// Resets every open connection, and goes on.
    pub async fn cut(&self) {
        self.door.cut().await;
    }

    /// Back to passing everything: mode, toxics and one-shots. Counters stay.
    pub async fn reset_all(&self) {
        self.state.disarm();
        self.set_toxics(Toxics::default());
        self.set_mode(Mode::Pass).await;
    }

    /// Holds back, from here on, whatever upstream says to connections that have asked to be told of changes (`CLIENT
    /// TRACKING`): their link has gone silent, all others pass.
    pub fn hold_news(&self) {
        self.state.set_news(News::Held);
    }

    /// Lets through what was held back, late and in order, as TCP does when a network comes back.
    pub fn release_news(&self) {
        self.state.set_news(News::Pass);
    }

    /// Client connections open now.
    pub fn connections(&self) -> usize {
        self.door.connections()
    }

    /// Client connections ever accepted.
    pub fn accepted(&self) -> u64 {
        self.door.accepted()
    }

    /// Whole requests read from clients, dropped ones included.
    pub fn requests(&self) -> u64 {
        self.state.requests()
    }

    /// Whole replies read from upstream, dropped ones included, RESP3 pushes not.
    pub fn replies(&self) -> u64 {
        self.state.replies()
    }
}
