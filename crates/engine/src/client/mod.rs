//! The Rust library: typed handles on one engine that runs inside the caller's program, on the caller's tokio runtime.
//!
//! What a key is for is said once, as a route with a role; the handles of a role offer what that role can keep. All go
//! through the engine that the sidecar is built on, so that both decide alike: the same routes, circuits, tiers, guard,
//! errors and metrics.
//!
//! ```no_run
//! use std::time::Duration;
//! use failsoft::client::{Failsoft, Route};
//! # use serde::{Deserialize, Serialize};
//! # async fn from_the_database(_id: u64) -> Result<Option<User>, std::io::Error> { Ok(None) }
//!
//! #[derive(Serialize, Deserialize)]
//! struct User { name: String }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let failsoft = Failsoft::builder()
//!     .redis(["redis://127.0.0.1:6379"])
//!     .route(Route::cache("user:{id}").ttl(Duration::from_secs(60)).max_stale(Duration::from_secs(600)).max_rate(500.0))
//!     .build()?;
//!
//! let users = failsoft.cache::<User>("user")?;
//! let answer = users.get_or_load("user:42", || from_the_database(42)).await?;
//! println!("{:?}, from {}, {:?} old", answer.value.map(|user| user.name), answer.tier, answer.age);
//! # Ok(()) }
//! ```
//!
//! **Dropping.** Every future here may be dropped at any await. A load goes on for those who share it, and for the copies
//! that it fills; a write that was begun is carried through; no place and no permit is lost.
//!
//! **Clones** of [`Failsoft`] and of its handles share everything. When the last is gone, so are the connections; whoever
//! wants to wait until what is under way has ended calls [`Failsoft::shutdown`].

mod answer;
mod builder;
mod cache;
mod calls;
mod codec;
mod error;
mod flags;
mod idempotency;
mod invalidations;
mod limiter;
mod locks;
mod origin;
#[cfg(feature = "redis")]
mod redis_rs;
mod replies;
mod room;
mod route;
mod sessions;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::role::Role;
use tokio::time::{Instant, sleep, timeout_at};

pub use self::answer::Answer;
pub use self::builder::{BuildError, Builder};
pub use self::cache::Cache;
#[cfg(feature = "postcard")]
pub use self::codec::Postcard;
pub use self::codec::{Codec, CodecError, Json, Raw};
pub use self::error::{BoxError, Error, Trouble};
pub use self::flags::{Flags, Known, Neither, Toggle, Version};
pub use self::idempotency::{Done, Idempotency, RunError};
pub use self::invalidations::{Invalidations, Notice, Subscription};
pub use self::limiter::Limiter;
pub use self::locks::{Lock, Locks};
pub use self::origin::{Origin, Params, Pressure};
#[cfg(feature = "redis")]
pub use self::redis_rs::Connection;
pub use self::route::{OnOutage, Route, role};
pub use self::sessions::Sessions;
pub use crate::assemble::AssembleError;
pub use crate::mode::{SwitchError, Switched};
pub use crate::primitive::limit::{Basis, Decision};
pub use crate::settings::{Change, Problem, Problems, Settings};
pub use crate::telemetry::readiness::{Readiness, Status};
pub use crate::telemetry::state::State;
pub use failsoft_core::Tier;
pub use failsoft_core::limit::{Limit, LimitError, Verdict};
pub use failsoft_core::mode::Mode;

use self::calls::Calls;
use self::room::Room;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::mode::Wish;
use crate::node::Lane;
use crate::shutdown::Shutdown;
use crate::telemetry::exposition::Exposition;
use crate::telemetry::readiness::Phase;

/// The worker whose connections the library uses: they are shared by all threads of the caller's runtime.
const WORKER: usize = 0;
/// How often a shutdown looks whether what nobody waits for has ended.
const GLANCE: Duration = Duration::from_millis(2);

/// One engine inside a program. Clones are handles on the same one.
#[derive(Clone)]
pub struct Failsoft {
    inner: Arc<Inner>,
}

struct Inner {
    caller: Caller,
    calls: Arc<Calls>,
    exposition: Exposition,
    warnings: Vec<Problem>,
}

/// What had not ended when a shutdown's time was up. It was broken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "broken off: {calls} calls, {loads} loads, {write_backs} values on their way back to Redis, {messages} messages to be \
     published"
)]
pub struct Unfinished {
    /// Calls, locks and subscriptions.
    pub calls: usize,
    /// Loads from origins.
    pub loads: usize,
    /// Values on their way from an origin to Redis.
    pub write_backs: usize,
    /// Messages that wait to be published.
    pub messages: usize,
}

impl Failsoft {
    /// Says what it is to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn start(engine: Engine, warnings: Vec<Problem>) -> Self {
        engine.start_probes();
        engine.start_worker(WORKER);
        let caller = Caller::new(Arc::new(engine), WORKER, Lane::default());
        Self { inner: Arc::new(Inner { caller, calls: Arc::default(), exposition: Exposition::default(), warnings }) }
    }

    /// Values that can be made again, on the route with this name or these keys.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of a cache.
    pub fn cache<T>(&self, route: &str) -> Result<Cache<T>, Error> {
        Ok(Cache::new(Room::of(self, route, Role::Cache)?, Json))
    }

    /// Who somebody is, on the route with this name or these keys.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of sessions.
    pub fn sessions<T>(&self, route: &str) -> Result<Sessions<T>, Error> {
        Ok(Sessions::new(Room::of(self, route, Role::Session)?, Json))
    }

    /// Who alone may, on the route with this name or these keys.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of locks.
    pub fn locks(&self, route: &str) -> Result<Locks, Error> {
        Ok(Locks::new(Room::of(self, route, Role::Lock)?))
    }

    /// What has been done already, on the route with this name or these keys.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of idempotency records.
    pub fn idempotency(&self, route: &str) -> Result<Idempotency, Error> {
        Ok(Idempotency::new(Room::of(self, route, Role::Idempotency)?))
    }

    /// How often somebody may, on the route with this name or these keys.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of rate limits.
    pub fn limiter(&self, route: &str) -> Result<Limiter, Error> {
        Ok(Limiter::new(Room::of(self, route, Role::RateLimit)?))
    }

    /// Switches and configuration, on the route with this name or these keys.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of flags.
    pub fn flags(&self, route: &str) -> Result<Flags, Error> {
        Ok(Flags::new(Room::of(self, route, Role::Flag)?))
    }

    /// News that copies have become wrong, on the route with this name or these channels.
    ///
    /// # Errors
    /// [`Error::Misuse`]: there is no such route, or it is none of invalidations.
    pub fn invalidations(&self, route: &str) -> Result<Invalidations, Error> {
        Ok(Invalidations::new(Room::of(self, route, Role::Invalidation)?))
    }

    /// What is unwise about the settings that it was built from.
    pub fn warnings(&self) -> &[Problem] {
        &self.inner.warnings
    }

    /// Takes up other settings, or keeps those in force whole if that is not possible; says what has changed. What has not
    /// changed is carried over: connections, circuits, copies. Call it on the runtime that it was built on.
    ///
    /// # Errors
    /// The settings cannot be carried out.
    pub fn reload(&self, settings: Settings) -> Result<Vec<Change>, AssembleError> {
        self.engine().reload(settings)
    }

    /// Switches a route, or all that may have the mode, to be answered without Redis or as plain Redis, or back. It is told in
    /// the log, counted, and survives a reload that does not say otherwise.
    ///
    /// # Errors
    /// Why nothing was switched.
    pub fn switch_mode(&self, mode: Mode, route: Option<&str>) -> Result<Switched, SwitchError> {
        let wish = Wish { mode, route: route.map(str::to_owned) };
        self.engine().switch_mode(&wish, "the program")
    }

    /// Whether it can do what its routes are for, and if not, why: what `/readyz` says of a sidecar.
    pub fn health(&self) -> Readiness {
        let (world, _) = self.engine().world();
        let is_ending = self.inner.calls.shutdown().has_begun();
        Readiness::of(&world, if is_ending { Phase::Ending } else { Phase::Serving })
    }

    /// All that is counted, as Prometheus reads it: what `/metrics` says of a sidecar, but for what only a sidecar has.
    pub fn metrics(&self) -> String {
        self.inner.exposition.render(self.engine(), None)
    }

    /// The same as a tree.
    pub fn state(&self) -> State {
        State::of(self.engine(), None)
    }

    /// Ends it: new calls get [`Error::ShutDown`], those under way have until `deadline` from now to end, and so have loads,
    /// values on their way back to Redis and messages to be published. Then every connection is closed.
    ///
    /// # Errors
    /// Not all had ended; the rest was broken off.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), Unfinished> {
        let by = Instant::now() + deadline;
        self.inner.calls.shutdown().begin();
        // Whether they have is asked again below, with the rest.
        let _ = timeout_at(by, self.inner.calls.all_ended()).await;
        let mut left = self.unfinished();
        while left.is_some() && Instant::now() < by {
            sleep(GLANCE).await;
            left = self.unfinished();
        }
        self.engine().close();
        while self.engine().connections() > 0 && Instant::now() < by {
            sleep(GLANCE).await;
        }
        left.map_or(Ok(()), Err)
    }

    /// What becomes of `work`, which is done even if nobody waits for it.
    async fn carry_through<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let call = self.inner.calls.begin()?;
        let task = tokio::spawn(async move {
            let _call = call;
            work.await
        });
        match task.await {
            Ok(done) => done,
            // The program's own code may be part of the work.
            Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
            // Its runtime is being torn down.
            Err(_) => Err(Error::ShutDown),
        }
    }

    fn unfinished(&self) -> Option<Unfinished> {
        let (world, _) = self.engine().world();
        let left = Unfinished {
            calls: self.inner.calls.under_way(),
            loads: world.origins().iter().map(|origin| origin.loading()).sum(),
            write_backs: world.write_back().outstanding().0,
            messages: world.publishing().figures().messages,
        };
        (left != Unfinished::default()).then_some(left)
    }

    /// The word that no more calls are taken.
    fn shutdown_word(&self) -> &Shutdown {
        self.inner.calls.shutdown()
    }

    fn engine(&self) -> &Arc<Engine> {
        self.inner.caller.engine()
    }
}

impl fmt::Debug for Failsoft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failsoft").field("calls", &self.inner.calls.under_way()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.caller.engine().close();
    }
}
