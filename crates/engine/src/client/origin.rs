//! Origins that a program brings with it: behind the same circuit, guard and coalescing as a database in the settings.

use std::str;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use toml::Table;

use super::error::BoxError;
use super::route::written;
use crate::origin::{self, Kind, Load, OriginError, Query, WHOLE_KEY, Waiting};
use crate::telemetry::counter::Counter;
use crate::value::Value;

/// A place that makes values: a client of another service, a query builder, a file.
///
/// Loads run in tasks of their own and are bounded by the origin's [`Pressure`]; one that takes longer than its timeout is
/// dropped at an await. What an error says is not logged, since it may quote keys.
///
/// ```
/// use bytes::Bytes;
/// use failsoft::client::{BoxError, Origin, Params};
///
/// struct Greetings;
///
/// impl Origin for Greetings {
///     async fn load(&self, _key: &[u8], params: Params<'_>) -> Result<Option<Bytes>, BoxError> {
///         Ok(params.text("name").map(|name| Bytes::from(format!("good day, {name}"))))
///     }
/// }
/// ```
pub trait Origin: Send + Sync + 'static {
    /// The value of `key`, of which the route's pattern binds `params`; `None` if there is none.
    ///
    /// # Errors
    /// The origin could not say: it counts against it.
    fn load(&self, key: &[u8], params: Params<'_>) -> impl Future<Output = Result<Option<Bytes>, BoxError>> + Send;
}

/// What a route's pattern has bound in a key.
#[derive(Clone, Copy, Debug)]
pub struct Params<'p>(origin::Params<'p>);

impl<'p> Params<'p> {
    /// The bytes bound to `name`.
    pub fn get(&self, name: &str) -> Option<&'p [u8]> {
        self.0.iter().find(|(bound, _)| *bound == name && name != WHOLE_KEY).map(|(_, bytes)| *bytes)
    }

    /// The same as text, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&'p str> {
        str::from_utf8(self.get(name)?).ok()
    }
}

/// How hard an origin may be pressed.
#[derive(Clone, Debug, Default)]
pub struct Pressure {
    pub(super) table: Table,
}

impl Pressure {
    /// 20 loads at once in this process, 100 waiting, a second each, and as many a second as come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a second, of the whole fleet.
    #[must_use]
    pub fn max_rate(self, per_second: f64) -> Self {
        self.with("max_rate", per_second.into())
    }

    /// Loads under way at the same time in this process.
    #[must_use]
    pub fn max_concurrency(self, loads: u32) -> Self {
        self.with("max_concurrency", i64::from(loads).into())
    }

    /// Loads that may wait for a place; the next one is shed.
    #[must_use]
    pub fn queue(self, loads: u32) -> Self {
        self.with("queue", i64::from(loads).into())
    }

    /// How long one load may take.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with("timeout", written(timeout).into())
    }

    fn with(mut self, key: &str, value: toml::Value) -> Self {
        self.table.insert(key.to_owned(), value);
        self
    }
}

/// A program's origin as the engine knows origins.
struct OfProgram<O> {
    origin: O,
    begun: Counter,
}

/// `origin` as the engine knows origins.
pub(super) fn of_program(origin: impl Origin) -> Arc<dyn origin::Origin> {
    Arc::new(OfProgram { origin, begun: Counter::default() })
}

impl<O: Origin> origin::Origin for OfProgram<O> {
    fn load<'a>(&'a self, _query: &'a Query, params: origin::Params<'a>, bound: Duration) -> Load<'a> {
        let key = params.iter().find(|(name, _)| *name == WHOLE_KEY).map_or(&[][..], |(_, key)| key);
        Box::pin(async move {
            self.begun.increment();
            match timeout(bound, self.origin.load(key, Params(params))).await {
                Ok(Ok(value)) => Ok(value.map(Value::Raw)),
                Ok(Err(_told_to_nobody)) => Err(OriginError::Program),
                Err(_) => Err(OriginError::Timeout(Waiting::Answer)),
            }
        })
    }

    fn kind(&self) -> Kind {
        Kind::Code
    }

    fn statements(&self) -> u64 {
        self.begun.get()
    }

    fn close(&self) {}
}
