//! What a load is for: a key on its route, and what becomes of the value.
//!
//! A loaded value is kept in local memory and written back to Redis, unless a write to the key has passed since the
//! load was asked for: then it answers those who were waiting, and nothing else. It never answers in front of Redis: what
//! the origin held is not what the primary holds until the primary has said so.

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::coherence::Epoch;
use failsoft_core::role::Role;
use failsoft_core::stale::Acceptance;

use crate::origin::{Kind, Load, Loader, Origin, OriginError, WHOLE_KEY};
use crate::tier::local::{Copy, CopyKind, Version};
use crate::tier::origin::Loaded;
use crate::value::Value;
use crate::world::{RouteId, World};
use crate::write_back::Filling;

/// A key to be loaded.
pub struct Errand {
    world: Arc<World>,
    worker: usize,
    route: RouteId,
    key: Box<[u8]>,
    version: Version,
    patience: Duration,
    loader: Option<Loader>,
}

/// How long a load may wait for its turn at the origin if an old copy could answer instead: the wait of one reader holds
/// up all that he has asked for after it.
pub(crate) const PATIENCE_WITH_COPY: Duration = Duration::from_millis(5);

impl Errand {
    /// An errand for `key`, asked for now.
    pub fn new(world: Arc<World>, worker: usize, route: RouteId, key: &[u8], now: Time) -> Self {
        let version = world.local().version(key);
        let budget = Acceptance::StaleUpTo(world.route(route).through.max_stale);
        let has_copy = world.route(route).keeps_local() && world.local().holds(key, budget, now);
        let patience = if has_copy { PATIENCE_WITH_COPY } else { Duration::MAX };
        Self { world, worker, route, key: key.into(), version, patience, loader: None }
    }

    /// The same, loaded by the caller's own `loader` if there is one.
    #[must_use]
    pub fn with(self, loader: Option<Loader>) -> Self {
        Self { loader, ..self }
    }

    /// How long the load may wait for its turn.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The name of the key's route.
    pub fn route_name(&self) -> &str {
        &self.world.route(self.route).name
    }

    /// Asks the caller's loader for the value, else `origin`, with the parameters that the route's pattern binds in the
    /// key.
    pub async fn load_from(&mut self, origin: &dyn Origin, timeout: Duration) -> Result<Option<Value>, OriginError> {
        if let Some(loader) = self.loader.take() {
            return loader.load(timeout).await;
        }
        let (Some(source), Some(bound)) =
            (&self.world.route(self.route).source, self.world.bind(self.route, &self.key))
        else {
            return Ok(None);
        };
        let mut params: Vec<(&str, &[u8])> = bound.iter().map(|(parameter, bytes)| (parameter.name(), bytes)).collect();
        if origin.kind() == Kind::Code {
            params.push((WHOLE_KEY, &self.key));
        }
        let load: Load<'_> = origin.load(&source.query, &params, timeout);
        load.await
    }

    /// Keeps what was loaded.
    pub fn keep(&self, loaded: &Loaded) {
        if !matches!(loaded.outcome, failsoft_core::Outcome::Hit | failsoft_core::Outcome::Miss(_)) {
            return;
        }
        let route = self.world.route(self.route);
        let stamp = route.stamp(loaded.value.as_ref(), loaded.obtained);
        if route.keeps_local() {
            let copy = Copy { value: loaded.value.clone(), stamp, epoch: Epoch::NONE, kind: CopyKind::Loaded };
            match (route.role, &copy.value) {
                (Role::Flag, Some(_)) => self.world.local().keep_flag(&self.key, copy, self.version),
                _ => self.world.local().keep(&self.key, copy, self.version),
            }
        }
        if let Some(value) = &loaded.value {
            let (world, key) = (self.world.clone(), self.key.clone());
            let filling = Filling { world, worker: self.worker, key, version: self.version };
            self.world.write_back().offer(filling, value, route.ttl);
        }
    }
}
