//! One route, compiled: what is needed to route a request, and nothing that has to be looked up again.

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::mode::Mode;
use failsoft_core::outage::OnOutage;
use failsoft_core::pattern::KeyPattern;
use failsoft_core::plan::{Bounds, Intent, Plan};
use failsoft_core::role::Role;
use failsoft_core::stale::Stamp;
use failsoft_core::{Tier, TierSet, Time};

use crate::mode::ModeSwitch;
use crate::origin::Query;
use crate::settings::Proving;
use crate::telemetry::route::RouteStats;
use crate::tier::aside::Aside;
use crate::tier::origin::OriginTier;
use crate::value::Value;

/// A key pattern's role, plans and sources.
pub struct Route {
    /// The name in settings, logs and labels.
    pub name: Arc<str>,
    /// What the keys are for.
    pub role: Role,
    /// How a read goes that any tier can answer.
    pub through: Plan,
    /// How a read goes that brings its own way to make the value.
    pub made: Plan,
    /// How a read goes that only nodes can answer.
    pub nodes: Plan,
    /// How a write goes.
    pub write: Plan,
    /// How a script goes.
    pub script: Plan,
    /// How requests go while the operator wants plain Redis of it.
    pub as_plain: AsPlain,
    /// What the operator wants of it.
    pub mode: Arc<ModeSwitch>,
    /// Where values are made.
    pub source: Option<Source>,
    /// The callers, where they make them themselves.
    pub aside: Option<Arc<Aside>>,
    /// What is served when all else has failed.
    pub default: Option<Value>,
    /// Time to live of what is written back to Redis.
    pub ttl: Duration,
    /// For how long a local copy is fresh.
    pub fresh_for: Duration,
    /// How old what a replica holds may be at most where it answers.
    pub max_replica_lag: Duration,
    /// How leases on the keys are proven.
    pub proving: Proving,
    /// What becomes of a rate limit while Redis is away.
    pub on_outage: OnOutage,
    /// For how long "there is no such row" is remembered.
    pub negative_ttl: Duration,
    /// What subscribers are told when messages may have been lost; there if the role is invalidation.
    pub gap_message: Option<Box<[u8]>>,
    /// By what its invalidations are journalled; `None`: its writes are as Redis takes them.
    pub journalled: Option<Arc<KeyPattern>>,
    /// What has been counted.
    pub stats: Arc<RouteStats>,
}

/// The plans of plain Redis.
pub struct AsPlain {
    /// Of a read.
    pub read: Plan,
    /// Of a read whose caller makes what Redis has not.
    pub made: Plan,
    /// Of anything else.
    pub other: Plan,
}

impl AsPlain {
    /// Within these bounds.
    pub fn within(bounds: Bounds) -> Self {
        let plan = |intent| Plan::new(Role::Unclassified, intent, TierSet::EMPTY, bounds);
        let read = plan(Intent::Read);
        Self { read, made: Plan { tiers: read.tiers.with(Tier::Origin), ..read }, other: plan(Intent::Write) }
    }
}

/// An origin, and what it is asked.
pub struct Source {
    /// The origin.
    pub origin: Arc<OriginTier>,
    /// The statement or path, with the key's parameters in it.
    pub query: Query,
}

/// Which of a route's plans a command follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A read that failsoft can answer by itself, from any tier.
    Through,
    /// The same, by a caller who brings a [`Loader`](crate::origin::Loader).
    Made,
    /// A read that only a node can answer.
    Nodes,
    /// Anything else: asked of the primary, once.
    Write,
    /// As [`Write`](Self::Write), but what an error reply means only its author knows: a script, or a command that is not
    /// in the table. It is passed on as it is, and says nothing about the node.
    Script,
}

impl Route {
    /// How a request on `way` goes that began while the route was in `mode`.
    #[inline]
    pub fn plan_in(&self, mode: Mode, way: Way) -> &Plan {
        let AsPlain { read, made, other } = &self.as_plain;
        match (mode, way) {
            (Mode::Auto | Mode::OriginOnly, _) => self.plan(way),
            (Mode::PassThrough, Way::Through | Way::Nodes) => read,
            (Mode::PassThrough, Way::Made) => made,
            (Mode::PassThrough, Way::Write | Way::Script) => other,
        }
    }

    /// How a request on `way` goes, unless the operator wants something else.
    pub fn plan(&self, way: Way) -> &Plan {
        match way {
            Way::Through => &self.through,
            Way::Made => &self.made,
            Way::Nodes => &self.nodes,
            Way::Write => &self.write,
            Way::Script => &self.script,
        }
    }

    /// Whether reads may be answered by anything but Redis as it is.
    pub fn reads_through(&self) -> bool {
        self.through.tiers.iter().any(|tier| tier != Tier::Primary)
    }

    /// Whether reads that begin now may be answered by anything but Redis as it is.
    pub fn reads_through_now(&self) -> bool {
        self.reads_through() && self.mode.get() != Mode::PassThrough
    }

    /// Whether the operator wants no node to be asked about its keys.
    pub fn is_held(&self) -> bool {
        self.mode.get() == Mode::OriginOnly
    }

    /// Whether copies are kept in local memory.
    pub fn keeps_local(&self) -> bool {
        self.through.tiers.contains(Tier::Local)
    }

    /// Whether a rate limit is answered while Redis is away.
    pub fn stands_by(&self) -> bool {
        self.on_outage != OnOutage::Closed
    }

    /// The stamp of a copy of `value` obtained at `obtained`.
    pub fn stamp(&self, value: Option<&Value>, obtained: Time) -> Stamp {
        Stamp { obtained, fresh_for: if value.is_some() { self.fresh_for } else { self.negative_ttl } }
    }
}
