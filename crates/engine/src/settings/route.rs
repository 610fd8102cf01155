//! `[[routes]]`: what keys are for, and what may answer for them when Redis does not.
//!
//! The role decides what else a route may say. A route that fails closed may not name anything that could answer in
//! Redis' place, and is told why: one sentence a role, in `rules`.

mod aside;
mod leases;
mod name;
mod replicas;
mod rules;
mod source;
mod written;

use super::judge::Judge;
use super::local::{Local, LocalMode};
use super::origin::Origin;
use super::redis::Topology;
use super::request::Request;
use crate::value::{Shape, Value};
pub use aside::Lease;
use aside::read_lease;
use failsoft_core::mode::Mode;
use failsoft_core::outage::OnOutage;
use failsoft_core::pattern::KeyPattern;
use failsoft_core::role::Role;
use failsoft_core::{Tier, TierSet};
pub use leases::Proving;
pub(crate) use rules::why_only_redis;
use source::read_source;
pub use source::{Fetch, Source};
use std::sync::Arc;
use std::time::Duration;
pub use written::ReadFrom;
pub(crate) use written::WrittenRoute;
use written::{DEFAULT_GAP_MESSAGE, DEFAULT_MAX_REPLICA_LAG, FLAG_MAX_STALE};

/// What keys are for, and what may answer for them when Redis does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    name: Arc<str>,
    pattern: KeyPattern,
    role: Role,
    tiers: TierSet,
    local: LocalMode,
    source: Option<Source>,
    lease: Option<Lease>,
    shape: Shape,
    ttl: Duration,
    negative_ttl: Duration,
    max_stale: Duration,
    default: Option<Value>,
    deadline: Duration,
    timeout: Duration,
    read_from: ReadFrom,
    max_replica_lag: Duration,
    proving: Proving,
    mode: Mode,
    gap_message: String,
    on_outage: OnOutage,
}

/// What routes lean on.
pub(crate) struct Ground<'g> {
    pub(crate) request: &'g Request,
    pub(crate) redis_timeout: Duration,
    pub(crate) topology: Topology,
    pub(crate) has_replicas: bool,
    /// How many are named; those of other topologies are learned of.
    pub(crate) named_replicas: usize,
    pub(crate) has_regional: bool,
    pub(crate) local: &'g Local,
    pub(crate) origins: &'g [Origin],
    /// Names of all origins written, also of those that could not be understood.
    pub(crate) origin_names: &'g [&'g str],
}

/// Understands all routes; `None` for each that cannot be.
pub(crate) fn mean_all(written: &[WrittenRoute], ground: &Ground<'_>, judge: &mut Judge<'_>) -> Vec<Option<Route>> {
    let patterns: Vec<_> = (written.iter().enumerate())
        .map(|(index, route)| read_pattern(&route.keys, &format!("routes[{index}].keys"), judge))
        .collect();
    let names = name::names(written, &patterns, judge);
    (written.iter().zip(patterns).zip(names).enumerate())
        .map(|(index, ((route, pattern), name))| {
            Route::mean(route, pattern?, name, &format!("routes[{index}]"), ground, judge)
        })
        .collect()
}

fn read_pattern(text: &str, path: &str, judge: &mut Judge<'_>) -> Option<KeyPattern> {
    match KeyPattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            judge.error(path, error.to_string());
            None
        }
    }
}

impl Route {
    fn mean(
        written: &WrittenRoute,
        pattern: KeyPattern,
        name: Arc<str>,
        path: &str,
        ground: &Ground<'_>,
        judge: &mut Judge<'_>,
    ) -> Option<Self> {
        let errors = judge.errors();
        let role = Role::from(written.role);
        rules::judge(written, role, path, judge);
        rules::judge_front(written, ground, path, judge);
        replicas::judge(written, role, ground, path, judge);
        leases::judge(written, role, ground, path, judge);
        let source = match rules::may_be_answered_without_redis(role) || written.origin.is_none() {
            true => read_source(written, &pattern, path, ground, judge),
            false => None,
        };
        let lease = read_lease(written, role, path, ground, judge);
        let shape = rules::read_shape(written, source.as_ref(), path, judge);
        let default = rules::read_default(written, shape, path, judge);
        if judge.errors() > errors {
            return None;
        }
        Some(Self {
            tiers: tiers(written, role, source.is_some() || lease.is_some(), ground),
            local: written.local.unwrap_or(ground.local.mode()),
            name,
            pattern,
            role,
            source,
            lease,
            shape,
            ttl: written.ttl.0,
            negative_ttl: written.negative_ttl.0,
            max_stale: max_stale(written, role),
            default,
            deadline: written.deadline.map_or(ground.request.deadline(), |own| own.0),
            timeout: written.timeout.map_or(ground.redis_timeout, |own| own.0),
            read_from: written.read_from,
            max_replica_lag: written.max_replica_lag.unwrap_or(DEFAULT_MAX_REPLICA_LAG).0,
            proving: leases::mean(written),
            mode: written.mode.map_or_else(|| ground.request.mode_of(role), Mode::from),
            gap_message: written.gap_message.clone().unwrap_or_else(|| DEFAULT_GAP_MESSAGE.to_owned()),
            on_outage: written.on_outage.map_or(OnOutage::Closed, OnOutage::from),
        })
    }

    /// What it is called in metrics and logs; no two routes have the same name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which keys it speaks for.
    pub fn pattern(&self) -> &KeyPattern {
        &self.pattern
    }

    /// What they are for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The tiers that may be asked, as far as they exist in these settings.
    pub fn tiers(&self) -> TierSet {
        self.tiers
    }

    /// When local memory is asked, if it is one of them.
    pub fn local(&self) -> LocalMode {
        self.local
    }

    /// How a missing value is made.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// How callers are kept from all making it at once, where they do it themselves.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// How what the origin gives becomes a value.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How long a value counts as fresh.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How long the origin's "there is none" is believed.
    pub fn negative_ttl(&self) -> Duration {
        self.negative_ttl
    }

    /// How long after its time to live a value may still be served; zero is never.
    pub fn max_stale(&self) -> Duration {
        self.max_stale
    }

    /// What is answered when every other tier has failed.
    pub fn default_value(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// How long a request may take over all tiers.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How long a Redis node may take to answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Which nodes are asked first.
    pub fn read_from(&self) -> ReadFrom {
        self.read_from
    }

    /// The mode that it begins in.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the two differ in nothing but the mode that they begin in.
    pub(crate) fn is_same_but_for_mode(&self, other: &Self) -> bool {
        *self == Self { mode: self.mode, ..other.clone() }
    }

    /// How far behind its primary a replica may be that answers.
    pub fn max_replica_lag(&self) -> Duration {
        self.max_replica_lag
    }

    /// How leases on its keys are proven: of locks and idempotency records.
    pub fn proving(&self) -> Proving {
        self.proving
    }

    /// What tells subscribers that messages may have been lost.
    pub fn gap_message(&self) -> &str {
        &self.gap_message
    }

    /// What becomes of a rate limit while Redis is away; of other roles closed.
    pub fn on_outage(&self) -> OnOutage {
        self.on_outage
    }
}

fn max_stale(written: &WrittenRoute, role: Role) -> Duration {
    let usual = if role == Role::Flag { FLAG_MAX_STALE.0 } else { Duration::ZERO };
    written.max_stale.map_or(usual, |own| own.0)
}

fn tiers(written: &WrittenRoute, role: Role, has_source: bool, ground: &Ground<'_>) -> TierSet {
    let answers_without_redis = rules::may_be_answered_without_redis(role);
    let from_replicas = answers_without_redis || (role == Role::Session && written.max_replica_lag.is_some());
    let offered = [
        (Tier::Replica, ground.has_replicas && from_replicas && written.tiers.replica),
        (Tier::Regional, ground.has_regional && answers_without_redis && written.tiers.regional),
        (Tier::Local, ground.local.is_used() && answers_without_redis && written.tiers.local),
        (Tier::Origin, has_source),
        (Tier::Default, written.default.is_some()),
    ];
    offered.iter().filter(|(_, offered)| *offered).fold(TierSet::of(&[Tier::Primary]), |set, (tier, _)| set.with(*tier))
}
