//! Routes said in code: one type a role, each with the methods that its role allows and no others.
//!
//! A lock with a default value, or a session that local memory answers for, cannot be written. What remains to be judged
//! (patterns, names, times) is judged where the settings file is judged too, because that is what a route becomes.

use std::marker::PhantomData;
use std::time::Duration;

use toml::{Table, Value};

/// What keys are for, as types. Each is the parameter of a [`Route`] that has the methods which the role allows.
pub mod role {
    /// Copies of what can be made again.
    #[derive(Clone, Copy, Debug)]
    pub enum Cache {}
    /// Who somebody is.
    #[derive(Clone, Copy, Debug)]
    pub enum Session {}
    /// How often somebody may.
    #[derive(Clone, Copy, Debug)]
    pub enum RateLimit {}
    /// Who alone may.
    #[derive(Clone, Copy, Debug)]
    pub enum Lock {}
    /// What has been done already.
    #[derive(Clone, Copy, Debug)]
    pub enum Idempotency {}
    /// News that a copy has become wrong.
    #[derive(Clone, Copy, Debug)]
    pub enum Invalidation {}
    /// Switches and configuration.
    #[derive(Clone, Copy, Debug)]
    pub enum Flag {}

    /// Roles whose reads may be answered by others than Redis.
    pub trait Open {}
    impl Open for Cache {}
    impl Open for Flag {}
}

/// A key pattern and what its keys are for.
///
/// ```
/// use std::time::Duration;
/// use failsoft::client::Route;
///
/// let users = Route::cache("user:{id}").ttl(Duration::from_secs(60)).max_stale(Duration::from_secs(600)).max_rate(500.0);
/// let locks = Route::lock("lock:*");
/// ```
///
/// A lock has nothing to fall back to, and no method that says otherwise:
///
/// ```compile_fail
/// failsoft::client::Route::lock("lock:*").default_value("free");
/// ```
#[derive(Clone, Debug)]
pub struct Route<R> {
    pub(super) table: Table,
    pub(super) origin: Option<Table>,
    role: PhantomData<fn() -> R>,
}

/// What becomes of a rate limit while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// Nobody may: the caller gets a retryable error.
    Closed,
    /// Everybody may.
    Open,
    /// Each instance enforces its share.
    Local,
}

impl<R> Route<R> {
    fn new(keys: &str, role: &str) -> Self {
        let table = Table::from_iter([("keys".to_owned(), keys.into()), ("role".to_owned(), role.into())]);
        Self { table, origin: None, role: PhantomData }
    }

    /// What it is called in metrics and logs, and by the handles of the library; made from the keys when left out.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// How long a Redis node may take to answer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with("timeout", written(timeout))
    }

    /// How long a call may take over all tiers.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with("deadline", written(deadline))
    }

    /// Any other setting of a route, by its name in the settings file.
    #[must_use]
    pub fn setting(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(key, value)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.table.insert(key.to_owned(), value.into());
        self
    }

    fn with_origin(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.origin.get_or_insert_default().insert(key.to_owned(), value.into());
        self
    }
}

impl Route<role::Cache> {
    /// Copies of what can be made again. The values are made by the closures that
    /// [`get_or_load`](super::Cache::get_or_load) is given, unless [`origin`](Self::origin) or [`aside`](Self::aside) says
    /// otherwise.
    #[must_use]
    pub fn cache(keys: &str) -> Self {
        let made_by_closures = Table::new();
        Self { origin: Some(made_by_closures), ..Self::new(keys, "cache") }
    }

    /// The values are SET by the application, which reads, misses and makes them itself; failsoft sees to it that of those
    /// who miss one key only one does.
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.origin = None;
        self
    }
}

impl Route<role::Session> {
    /// Who somebody is: an error when Redis is away, never a guess.
    #[must_use]
    pub fn session(keys: &str) -> Self {
        Self::new(keys, "session")
    }

    /// Replicas may answer while the primary is away, if what they hold is not older than this.
    #[must_use]
    pub fn max_replica_lag(self, lag: Duration) -> Self {
        self.with("max_replica_lag", written(lag))
    }
}

impl Route<role::RateLimit> {
    /// How often somebody may.
    #[must_use]
    pub fn rate_limit(keys: &str) -> Self {
        Self::new(keys, "rate-limit")
    }

    /// What becomes of the limit while Redis is away; [`OnOutage::Closed`] unless said.
    #[must_use]
    pub fn on_outage(self, what: OnOutage) -> Self {
        self.with(
            "on_outage",
            match what {
                OnOutage::Closed => "closed",
                OnOutage::Open => "open",
                OnOutage::Local => "local",
            },
        )
    }
}

impl Route<role::Lock> {
    /// Who alone may: always an error when Redis is away.
    #[must_use]
    pub fn lock(keys: &str) -> Self {
        Self::new(keys, "lock")
    }
}

impl Route<role::Idempotency> {
    /// What has been done already: always an error when Redis is away.
    #[must_use]
    pub fn idempotency(keys: &str) -> Self {
        Self::new(keys, "idempotency")
    }
}

impl Route<role::Invalidation> {
    /// News that copies have become wrong: the keys are the names of channels.
    #[must_use]
    pub fn invalidation(channels: &str) -> Self {
        Self::new(channels, "invalidation")
    }

    /// What subscribers are told on each of their channels when messages may have been missed. Subscribers of the library
    /// get a [`Notice::Gap`](super::Notice::Gap) instead.
    #[must_use]
    pub fn gap_message(self, message: &str) -> Self {
        self.with("gap_message", message)
    }
}

impl Route<role::Flag> {
    /// Switches and configuration: the last known value, then the default.
    #[must_use]
    pub fn flag(keys: &str) -> Self {
        Self::new(keys, "flag")
    }
}

impl<R: role::Open> Route<R> {
    /// How long a value counts as fresh.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with("ttl", written(ttl))
    }

    /// How long after its ttl a value may still be served when nothing fresher answers.
    #[must_use]
    pub fn max_stale(self, max_stale: Duration) -> Self {
        self.with("max_stale", written(max_stale))
    }

    /// How long "there is none" is believed.
    #[must_use]
    pub fn negative_ttl(self, ttl: Duration) -> Self {
        self.with("negative_ttl", written(ttl))
    }

    /// The bytes that are served when every other tier has failed, as the codec of the handle reads them.
    #[must_use]
    pub fn default_value(self, value: &str) -> Self {
        self.with("default", value)
    }

    /// The values are made by the origin of this name: one that
    /// [`Builder::origin`](super::Builder::origin) has made known.
    #[must_use]
    pub fn origin(mut self, name: &str) -> Self {
        self.origin = None;
        self.with("origin", name)
    }

    /// Loads a second by closures on this route, of the whole fleet. Not with [`origin`](Self::origin), which has its own.
    #[must_use]
    pub fn max_rate(self, per_second: f64) -> Self {
        self.with_origin("max_rate", per_second)
    }

    /// Loads by closures on this route that are under way at the same time in this process; 20 unless said.
    #[must_use]
    pub fn max_concurrency(self, loads: u32) -> Self {
        self.with_origin("max_concurrency", i64::from(loads))
    }

    /// Loads that may wait for a place; the next one is shed. 100 unless said.
    #[must_use]
    pub fn queue(self, loads: u32) -> Self {
        self.with_origin("queue", i64::from(loads))
    }

    /// How long one load by a closure may take; a second unless said.
    #[must_use]
    pub fn load_timeout(self, timeout: Duration) -> Self {
        self.with_origin("timeout", written(timeout))
    }
}

/// A duration as the settings file has it.
pub(super) fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}
