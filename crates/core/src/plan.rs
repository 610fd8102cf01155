//! The plan of a request: which tiers may answer it, in which order, for how long each.
//!
//! A plan is made once per route and kind of command when settings are loaded, never per request. Routing, `explain`
//! and the documentation read the same plan, so that they cannot disagree.

use std::time::Duration;

use crate::role::{Role, Stance};
use crate::{Tier, TierSet};

/// What a command wants of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Changes nothing, so it may be asked of any tier, and again.
    Read,
    /// Changes something, so only the primary may be asked, once.
    Write,
}

/// What to do with a read when a node refuses failsoft's own credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthPolicy {
    /// The caller gets the error: credentials are a matter for an operator.
    #[default]
    Error,
    /// The next tier may answer, as if the node were away.
    Fallback,
}

/// In whose words a caller hears that a node cannot answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// In Redis' own: `-LOADING ...` stays `-LOADING ...`.
    Redis,
    /// In failsoft's: `-UNAVAILABLE ... retry-after-ms=...`.
    Failsoft,
}

/// When local memory is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalPlace {
    /// After the nodes: what a node says is always newer.
    #[default]
    Behind,
    /// Before them too, for copies that are known to be what the primary holds.
    InFront,
}

/// Which local copies answer before the origin is asked, when the nodes cannot answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeforeOrigin {
    /// Those within their time to live: the origin says what is true now.
    #[default]
    Fresh,
    /// Any that may be served at all: what everybody else has been told as well is worth more than what is true now.
    LastKnown,
}

/// The tiers of one kind of request, with their bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The tiers that may be asked.
    pub tiers: TierSet,
    /// The tier that is asked before those above it, if it is one of them.
    pub preferred: Option<Tier>,
    /// When local memory is asked, if it is one of them.
    pub local: LocalPlace,
    /// Which copies there are asked for before the origin.
    pub before_origin: BeforeOrigin,
    /// What the request wants.
    pub intent: Intent,
    /// How often one Redis tier may be asked in one request, the first time included. At least 1.
    pub attempts: u8,
    /// Bound over the whole request.
    pub deadline: Duration,
    /// Bound on one question to a Redis node.
    pub node_timeout: Duration,
    /// Bound on one load from the origin, waiting for the guard included.
    pub origin_timeout: Duration,
    /// How far beyond its time to live a local copy may be served when nothing better answers.
    pub max_stale: Duration,
    /// What happens when a node refuses failsoft's own credentials.
    pub auth_policy: AuthPolicy,
    /// In whose words refusals reach the caller.
    pub voice: Voice,
}

/// The bounds a plan takes from settings, the same for every kind of command on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// See [`Plan::attempts`].
    pub attempts: u8,
    /// See [`Plan::deadline`].
    pub deadline: Duration,
    /// See [`Plan::node_timeout`].
    pub node_timeout: Duration,
    /// See [`Plan::origin_timeout`].
    pub origin_timeout: Duration,
    /// See [`Plan::max_stale`].
    pub max_stale: Duration,
    /// See [`Plan::auth_policy`].
    pub auth_policy: AuthPolicy,
}

impl Plan {
    /// The plan of a command with `intent` on a route of `role`, which has `available` tiers below the primary.
    ///
    /// A role that fails closed keeps the primary alone, whatever is available; but for sessions, which replicas may be
    /// asked for where the route offers them, having bounded their age.
    pub fn new(role: Role, intent: Intent, available: TierSet, bounds: Bounds) -> Self {
        Self {
            tiers: Self::tiers(role, intent, available),
            preferred: None,
            local: LocalPlace::Behind,
            before_origin: if role == Role::Flag { BeforeOrigin::LastKnown } else { BeforeOrigin::Fresh },
            intent,
            attempts: bounds.attempts.max(1),
            deadline: bounds.deadline,
            node_timeout: bounds.node_timeout,
            origin_timeout: bounds.origin_timeout,
            max_stale: bounds.max_stale,
            auth_policy: bounds.auth_policy,
            voice: Self::voice(role, intent),
        }
    }

    /// This plan with local memory asked before the nodes too, if it is a read that local memory may answer at all.
    #[must_use]
    pub fn with_local_in_front(self) -> Self {
        let may_be = self.intent == Intent::Read && self.tiers.contains(Tier::Local);
        Self { local: if may_be { LocalPlace::InFront } else { LocalPlace::Behind }, ..self }
    }

    /// This plan with the replicas asked before the primary, if it is a read that they may answer at all.
    #[must_use]
    pub fn with_replica_first(self) -> Self {
        let may_be = self.intent == Intent::Read && self.tiers.contains(Tier::Replica);
        Self { preferred: may_be.then_some(Tier::Replica), ..self }
    }

    fn tiers(role: Role, intent: Intent, available: TierSet) -> TierSet {
        match (intent, role.stance()) {
            (Intent::Read, Stance::Open) => available.with(Tier::Primary),
            (Intent::Read, Stance::Closed) if role == Role::Session && available.contains(Tier::Replica) => {
                TierSet::of(&[Tier::Primary, Tier::Replica])
            }
            (Intent::Read, Stance::Closed) | (Intent::Write, _) => TierSet::of(&[Tier::Primary]),
        }
    }

    fn voice(role: Role, intent: Intent) -> Voice {
        match (role, intent) {
            (Role::Unclassified, _) | (Role::Cache, Intent::Write) => Voice::Redis,
            (Role::Cache, Intent::Read)
            | (Role::Session | Role::RateLimit | Role::Lock | Role::Idempotency | Role::Invalidation | Role::Flag, _) => {
                Voice::Failsoft
            }
        }
    }

    /// How often `tier` may be asked in one request: the origin is never asked twice.
    pub fn attempts_at(&self, tier: Tier) -> u8 {
        match tier {
            Tier::Primary | Tier::Replica | Tier::Regional => self.attempts,
            Tier::Local | Tier::Origin | Tier::Default => 1,
        }
    }

    /// The bound on one question to `tier`.
    pub fn timeout(&self, tier: Tier) -> Duration {
        match tier {
            Tier::Primary | Tier::Replica | Tier::Regional => self.node_timeout,
            Tier::Origin => self.origin_timeout,
            Tier::Local | Tier::Default => Duration::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: TierSet = TierSet::of(&Tier::ALL);
    const BOUNDS: Bounds = Bounds {
        attempts: 2,
        deadline: Duration::from_secs(1),
        node_timeout: Duration::from_millis(200),
        origin_timeout: Duration::from_secs(1),
        max_stale: Duration::ZERO,
        auth_policy: AuthPolicy::Error,
    };

    #[test]
    fn a_role_that_fails_closed_asks_the_primary_alone_whatever_is_there() {
        for role in [Role::Lock, Role::Idempotency, Role::RateLimit, Role::Unclassified] {
            for intent in [Intent::Read, Intent::Write] {
                let plan = Plan::new(role, intent, ALL, BOUNDS);
                assert_eq!(plan.tiers, TierSet::of(&[Tier::Primary]), "{role} {intent:?}");
            }
        }
    }

    #[test]
    fn a_session_is_read_from_nodes_only_and_from_replicas_where_they_are_offered() {
        let tiers = |intent, offered| Plan::new(Role::Session, intent, offered, BOUNDS).tiers;
        assert_eq!(tiers(Intent::Read, ALL), TierSet::of(&[Tier::Primary, Tier::Replica]));
        assert_eq!(tiers(Intent::Read, ALL.without(Tier::Replica)), TierSet::of(&[Tier::Primary]));
        assert_eq!(tiers(Intent::Write, ALL), TierSet::of(&[Tier::Primary]));
    }

    #[test]
    fn a_write_goes_to_the_primary_alone() {
        assert_eq!(Plan::new(Role::Cache, Intent::Write, ALL, BOUNDS).tiers, TierSet::of(&[Tier::Primary]));
    }

    #[test]
    fn only_a_read_that_local_memory_may_answer_has_it_in_front() {
        let place = |role, intent, tiers| Plan::new(role, intent, tiers, BOUNDS).with_local_in_front().local;
        assert_eq!(place(Role::Cache, Intent::Read, ALL), LocalPlace::InFront);
        assert_eq!(place(Role::Cache, Intent::Write, ALL), LocalPlace::Behind);
        assert_eq!(place(Role::Cache, Intent::Read, ALL.without(Tier::Local)), LocalPlace::Behind);
        for role in [Role::Session, Role::Lock, Role::Idempotency, Role::RateLimit, Role::Unclassified] {
            assert_eq!(place(role, Intent::Read, ALL), LocalPlace::Behind, "{role}");
        }
    }

    #[test]
    fn a_cache_read_may_use_every_tier() {
        assert_eq!(Plan::new(Role::Cache, Intent::Read, ALL, BOUNDS).tiers, ALL);
    }
}
