//! An HTTP origin that counts what reaches it: the judge of every claim about protecting origins.
//!
//! By default it serves `/{anything}/{id}` as JSON for every id up to a bound and 404 beyond. Latency, bodies and
//! whole-sale failure can be switched while it runs. Counting happens here, where the load arrives, not in
//! the code under test.

mod counts;
mod serve;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::door::Door;
use counts::Counts;

/// How an origin treats requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OriginMode {
    /// Answers them.
    #[default]
    Answer,
    /// Answers them all with this status.
    Fail(u16),
    /// Reads them and does not answer until another mode is set.
    Hang,
    /// The port is closed and open connections are reset.
    Refuse,
}

/// A counting HTTP/1.1 origin on a loopback port. Dropping it resets its connections.
pub struct HttpOrigin {
    door: Door,
    shared: Arc<Shared>,
}

struct Shared {
    mode: watch::Sender<OriginMode>,
    latency: Mutex<Duration>,
    largest_id: Mutex<u64>,
    fixed: Mutex<HashMap<String, (u16, String)>>,
    counts: Counts,
}

impl HttpOrigin {
    /// Starts it, serving ids up to a million without delay.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(OriginMode::Answer),
            latency: Mutex::default(),
            largest_id: Mutex::new(1_000_000),
            fixed: Mutex::default(),
            counts: Counts::default(),
        });
        let theirs = Arc::clone(&shared);
        let door = Door::open_with(move |stream| serve::serve(stream, Arc::clone(&theirs))).await;
        Self { door, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    /// `http://` and the address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The body served for an id: `/users/42` is `{"id":42,"name":"users 42"}`.
    pub fn body_of(collection: &str, id: u64) -> String {
        format!(r#"{{"id":{id},"name":"{collection} {id}"}}"#)
    }

    /// Switches the mode, for requests already waiting too.
    pub async fn set_mode(&self, mode: OriginMode) {
        self.shared.mode.send_replace(mode);
        match mode {
            OriginMode::Refuse => self.door.close().await,
            OriginMode::Answer | OriginMode::Fail(_) | OriginMode::Hang => self.door.open().await,
        }
    }

    /// Every answer takes this much longer from here on.
    pub fn set_latency(&self, latency: Duration) {
        *self.shared.latency.lock() = latency;
    }

    /// Ids above this are 404.
    pub fn set_largest_id(&self, largest: u64) {
        *self.shared.largest_id.lock() = largest;
    }

    /// Answers exactly this path (query included) with a status and body.
    pub fn respond(&self, path: &str, status: u16, body: &str) {
        self.shared.fixed.lock().insert(path.to_owned(), (status, body.to_owned()));
    }

    /// Whole requests received.
    pub fn requests(&self) -> u64 {
        self.shared.counts.requests()
    }

    /// Whole requests received for exactly this path (query included).
    pub fn requests_for(&self, path: &str) -> u64 {
        self.shared.counts.requests_for(path)
    }

    /// The most requests that were ever being answered at once.
    pub fn peak_concurrency(&self) -> usize {
        self.shared.counts.peak_concurrency()
    }

    /// The most requests that arrived within any one second.
    pub fn peak_rate(&self) -> usize {
        self.shared.counts.peak_within(Duration::from_secs(1))
    }

    /// Forgets all counts.
    pub fn reset_counts(&self) {
        self.shared.counts.reset();
    }
}
