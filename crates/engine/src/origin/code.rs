//! Origins that are code of the program that failsoft is built into: made known by name when the engine is built, or a
//! closure that comes with one call.
//!
//! Guard, coalescing and circuit do not know the difference. What a load of such an origin says when it fails is for the
//! caller alone and reaches no log: it may quote keys and values.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Kind, Load, Origin, OriginError, Params, Query, Waiting};
use crate::value::Value;

/// The name under which such an origin is given the whole key, beside what the route's pattern binds in it. No pattern
/// can bind it.
pub const WHOLE_KEY: &str = "";

/// One load, made by the caller who asks for it.
pub type Loading = Pin<Box<dyn Future<Output = Result<Option<Value>, OriginError>> + Send>>;

/// Begins a load when its turn has come; dropped without having been called where another's load is shared.
pub struct Loader(Box<dyn FnOnce() -> Loading + Send>);

impl Loader {
    /// A loader that begins `load`.
    pub fn new(load: impl FnOnce() -> Loading + Send + 'static) -> Self {
        Self(Box::new(load))
    }

    /// Loads within `bound`.
    ///
    /// # Errors
    /// [`OriginError::Timeout`], or what the load says.
    pub async fn load(self, bound: Duration) -> Result<Option<Value>, OriginError> {
        timeout(bound, (self.0)()).await.unwrap_or(Err(OriginError::Timeout(Waiting::Answer)))
    }
}

/// The origins that are code, by name; none where the engine is not built into a program.
#[derive(Clone, Default)]
pub struct CodeOrigins(Option<BTreeMap<String, Arc<dyn Origin>>>);

impl CodeOrigins {
    /// Those of a program; routes may name others too, which are loaded by closures alone.
    pub fn of(named: BTreeMap<String, Arc<dyn Origin>>) -> Self {
        Self(Some(named))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().map(|(name, _)| name.as_str())
    }

    /// The one with this name.
    ///
    /// # Errors
    /// [`OriginError::NoProgram`].
    pub(crate) fn get(&self, name: &str) -> Result<Arc<dyn Origin>, OriginError> {
        let named = self.0.as_ref().ok_or(OriginError::NoProgram)?;
        Ok(named.get(name).cloned().unwrap_or_else(|| Arc::new(Closures)))
    }
}

impl fmt::Debug for CodeOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// An origin of which only those can make a value who bring a [`Loader`].
struct Closures;

impl Origin for Closures {
    fn load<'a>(&'a self, _query: &'a Query, _params: Params<'a>, _timeout: Duration) -> Load<'a> {
        Box::pin(async { Err(OriginError::Program) })
    }

    fn kind(&self) -> Kind {
        Kind::Code
    }

    fn loads_by_itself(&self) -> bool {
        false
    }

    fn statements(&self) -> u64 {
        0
    }

    fn close(&self) {}
}
