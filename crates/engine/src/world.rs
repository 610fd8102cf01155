//! Everything that a request needs to know, as of one version of the settings.
//!
//! Swapped whole when settings change: a request sees one world from its beginning to its end. What has not changed
//! (nodes with their connections, origins with their guards, local copies) is carried over from the world before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use failsoft_core::Time;
use failsoft_core::coherence::Epoch;
use failsoft_core::mode::Mode;
use failsoft_core::pattern::Params;
use failsoft_core::retry::{RetryBudget, RetryBudgetSettings};
use failsoft_core::route_table::RouteTable;
use parking_lot::Mutex;

use crate::journal::Journal;
use crate::listening::ListeningStats;
use crate::node::Node;
use crate::primitive::Fences;
use crate::primitive::Limits;
use crate::publishing::Publishing;
use crate::route::Route;
use crate::settings::Rules;
use crate::tier::local::Local;
use crate::tier::origin::OriginTier;
use crate::tls::ClientTls;
use crate::topology::{Deployment, Views};
use crate::tracking::Tracking;
use crate::write_back::WriteBack;

/// Which route a request is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(Option<u32>);

impl RouteId {
    /// The route of keys that no listed route matches, and of commands without keys: plain Redis.
    pub const PLAIN: Self = Self(None);

    /// Its place among the listed routes.
    pub fn index(self) -> Option<usize> {
        self.0.map(|index| index as usize)
    }
}

/// The parts of a world.
pub struct Parts {
    /// The Redis that failsoft stands before.
    pub deployment: Arc<Deployment>,
    /// A second one that may be read from.
    pub regional: Option<Arc<Deployment>>,
    /// This process' memory.
    pub local: Arc<Local>,
    /// What keeps that memory coherent, if a route has it in front.
    pub tracking: Option<Arc<Tracking>>,
    /// What Redis has not had of writes.
    pub journal: Arc<Journal>,
    /// What fills Redis again.
    pub write_back: Arc<WriteBack>,
    /// What is counted of listeners.
    pub listening: Arc<ListeningStats>,
    /// What could not be published.
    pub publishing: Arc<Publishing>,
    /// The origins, in the order of their names.
    pub origins: Vec<Arc<OriginTier>>,
    /// The routes, first listed first.
    pub routes: RouteTable<Route>,
    /// How requests go that no listed route matches.
    pub plain: Route,
    /// Who may ask what.
    pub rules: Arc<Rules>,
    /// What has been seen of the fencing tokens of leases.
    pub fences: Arc<Fences>,
    /// What is remembered of rate limits while Redis is away.
    pub limits: Arc<Limits>,
}

/// Requests paid into the budget for repeats at a time; enough to fill it.
const MOST_PAID_IN: u64 = 10_000;

/// Everything that a request needs to know.
pub struct World {
    parts: Parts,
    repeats: Mutex<RetryBudget>,
    /// Requests that have not been paid into the budget yet.
    requests: AtomicU64,
}

impl World {
    /// A world of these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            repeats: Mutex::new(RetryBudget::new(RetryBudgetSettings::default())),
            requests: AtomicU64::new(0),
        }
    }

    /// Who may ask what.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.parts.rules
    }

    /// What has been seen of the fencing tokens of leases.
    pub fn fences(&self) -> &Arc<Fences> {
        &self.parts.fences
    }

    /// What is remembered of rate limits while Redis is away.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.parts.limits
    }

    /// The route of `key`.
    pub fn route_of(&self, key: &[u8]) -> RouteId {
        RouteId(self.parts.routes.find(key).map(|(index, _)| index as u32))
    }

    /// The route itself.
    pub fn route(&self, id: RouteId) -> &Route {
        id.0.and_then(|index| self.parts.routes.get(index as usize)).map_or(&self.parts.plain, |(_, route)| route)
    }

    /// The route of keys that no listed route matches.
    pub fn plain(&self) -> &Route {
        &self.parts.plain
    }

    /// What the route's pattern binds in `key`.
    pub fn bind<'w, 'k>(&'w self, id: RouteId, key: &'k [u8]) -> Option<Params<'w, 'k>> {
        let (pattern, _) = self.parts.routes.get(id.0? as usize)?;
        pattern.bind(key)
    }

    /// Every route with its pattern's text, the plain one last.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &Route)> {
        let listed = self.parts.routes.iter().map(|(pattern, route)| (pattern.text(), route));
        listed.chain(std::iter::once(("", &self.parts.plain)))
    }

    /// The Redis that failsoft stands before.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.parts.deployment
    }

    /// The second one that may be read from.
    pub fn regional(&self) -> Option<&Arc<Deployment>> {
        self.parts.regional.as_ref()
    }

    /// Both.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        std::iter::once(&self.parts.deployment).chain(&self.parts.regional)
    }

    /// What is believed of them now.
    pub fn views(&self) -> Views {
        let regional = self.regional().map(|regional| regional.view());
        Views { redis: self.parts.deployment.view(), regional, moved: Arc::default() }
    }

    /// The primary that owns `key`, if one is known and believed.
    pub fn owner_of(&self, key: &[u8]) -> Option<Arc<Node>> {
        let view = self.parts.deployment.view();
        view.owner(view.place_of(key)).ok().cloned()
    }

    /// What TLS with nodes is made with, as far as there is any.
    pub fn tls(&self) -> impl Iterator<Item = &Arc<ClientTls>> {
        self.deployments().filter_map(|deployment| deployment.tls())
    }

    /// This process' memory.
    pub fn local(&self) -> &Arc<Local> {
        &self.parts.local
    }

    /// What keeps that memory coherent, if a route has it in front.
    pub fn tracking(&self) -> Option<&Arc<Tracking>> {
        self.parts.tracking.as_ref()
    }

    /// The epoch in which a value that is asked for now is obtained, if its route is in front.
    pub(crate) fn epoch(&self) -> Epoch {
        self.parts.tracking.as_ref().map_or(Epoch::NONE, |tracking| tracking.epoch())
    }

    /// What Redis has not had of writes.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.parts.journal
    }

    /// What fills Redis again.
    pub fn write_back(&self) -> &Arc<WriteBack> {
        &self.parts.write_back
    }

    /// What is counted of listeners.
    pub fn listening(&self) -> &Arc<ListeningStats> {
        &self.parts.listening
    }

    /// What could not be published.
    pub fn publishing(&self) -> &Arc<Publishing> {
        &self.parts.publishing
    }

    /// What subscribers of `channel` are told when messages may have been lost, if it is of an invalidation route. A pattern
    /// counts as a channel of that name.
    pub fn gap_message(&self, channel: &[u8]) -> Option<&[u8]> {
        let route = self.route(self.route_of(channel));
        route.gap_message.as_deref().filter(|_| route.mode.get() != Mode::PassThrough)
    }

    /// The origins.
    pub fn origins(&self) -> &[Arc<OriginTier>] {
        &self.parts.origins
    }

    /// Counts a request towards the budget for repeats.
    pub fn handle_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Leave to repeat a question.
    pub fn request_repeat(&self, now: Time) -> bool {
        let mut repeats = self.repeats.lock();
        for _ in 0..self.requests.swap(0, Ordering::Relaxed).min(MOST_PAID_IN) {
            repeats.handle_request(now);
        }
        repeats.request_retry(now).is_ok()
    }

    /// A write to `key` passes: copies of it are void.
    pub fn invalidate(&self, key: &[u8]) {
        let route = self.route(self.route_of(key));
        if route.keeps_local() || route.source.is_some() {
            self.parts.local.invalidate(key);
        }
        if let Some(source) = &route.source {
            source.origin.handle_invalidated(key);
        }
    }

    /// A write to `key` has been carried out, or kept for it: who waited for its value has it.
    pub fn handle_written(&self, key: &[u8]) {
        if let Some(aside) = &self.route(self.route_of(key)).aside {
            aside.handle_written(key);
        }
    }

    /// A deletion of `key` has been carried out, or will be: whoever makes its value may be reading what it was about.
    pub fn handle_deleted(&self, key: &[u8]) {
        if let Some(aside) = &self.route(self.route_of(key)).aside {
            aside.handle_deleted(key);
        }
    }

    /// What the whole fleet may ask of databases in a second is shared by so many instances.
    pub(crate) fn set_sharers(&self, sharers: u32) {
        self.parts.origins.iter().for_each(|origin| origin.set_sharers(sharers));
        self.routes().filter_map(|(_, route)| route.aside.as_ref()).for_each(|aside| aside.set_sharers(sharers));
    }

    /// Nobody waits any more for what others make.
    pub fn end_waiting(&self) {
        self.routes().filter_map(|(_, route)| route.aside.as_ref()).for_each(|aside| aside.close());
    }

    /// Redis has told that somebody has changed `key`: the same as a write that passes.
    pub fn handle_told(&self, key: &[u8]) {
        let route = self.route(self.route_of(key));
        if route.keeps_local() || route.source.is_some() {
            self.parts.local.invalidate_told(key);
        }
        if let Some(source) = &route.source {
            source.origin.handle_invalidated(key);
        }
    }

    /// Redis has told that it has been emptied.
    pub fn handle_told_all(&self) {
        self.parts.local.clear_told();
        self.parts.origins.iter().for_each(|origin| origin.handle_all_invalidated());
    }

    /// A command passes that empties Redis: all copies are void.
    pub fn invalidate_all(&self) {
        self.parts.local.clear();
        self.parts.origins.iter().for_each(|origin| origin.handle_all_invalidated());
    }
}
