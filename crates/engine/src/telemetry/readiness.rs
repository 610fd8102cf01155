//! Whether an instance can do what its routes are for: what `/readyz` says, and the library's health.
//!
//! Readiness looks at Redis only where a role needs it: a route of sessions, locks, idempotency keys, or rate limits that
//! fail closed answers nothing but errors while the primary is away, so its callers are better sent elsewhere. An instance whose
//! routes fail open stays ready whatever happens to Redis, because answering without Redis is what it is for; it says
//! that it is degraded, and why. While shutting down, no instance is ready.

use std::fmt;

use failsoft_core::circuit::StateName;
use failsoft_core::role::Role;
use serde::Serialize;

use crate::health::Health;
use crate::route::Route;
use crate::world::World;

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does.
    Serving,
    /// It has been told to end.
    Ending,
}

/// How an instance is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All of its nodes and origins are well.
    Ready,
    /// Not all of them are, and it answers.
    Degraded,
    /// It has nothing but errors on some of its routes, or is about to end.
    Unready,
}

/// Whether callers should be sent here, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// In one word.
    pub status: Status,
    /// What is not as it should be.
    pub reasons: Vec<Reason>,
    /// Routes that have no answer without the primary.
    pub needing_primary: Vec<String>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// A node or an origin.
    pub subject: String,
    /// What is the matter with it.
    pub problem: String,
}

impl Readiness {
    /// How an instance is that goes by `world`.
    pub fn of(world: &World, phase: Phase) -> Self {
        let needing = world.routes().filter(|(_, route)| needs_primary(route));
        let needing_primary: Vec<_> = needing.map(|(_, route)| route.name.to_string()).collect();
        let view = world.deployment().view();
        let is_missed = !needing_primary.is_empty() && !view.shards().iter().any(|shard| view.is_well(shard));
        let mut reasons = reasons(world);
        let status = match phase {
            Phase::Ending => {
                reasons.insert(0, Reason { subject: "failsoft".to_owned(), problem: "shutting down".to_owned() });
                Status::Unready
            }
            Phase::Serving if is_missed => Status::Unready,
            Phase::Serving if reasons.is_empty() => Status::Ready,
            Phase::Serving => Status::Degraded,
        };
        Self { status, reasons, needing_primary }
    }
}

/// Whether requests on this route have no answer but the primary's. Unclassified keys are plain Redis: failsoft adds
/// nothing to them and takes nothing away.
fn needs_primary(route: &Route) -> bool {
    match route.role {
        Role::RateLimit => !route.stands_by(),
        Role::Session | Role::Lock | Role::Idempotency => true,
        Role::Cache | Role::Invalidation | Role::Flag | Role::Unclassified => false,
    }
}

fn reasons(world: &World) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for node in world.views().nodes() {
        let subject = format!("{} {}", node.tier(), node.name());
        if let Some(problem) = circuit_problem(node.health()) {
            reasons.push(Reason { subject, problem });
        } else if node.stats().writable() == Some(false) {
            reasons.push(Reason { subject, problem: "refuses writes".to_owned() });
        }
    }
    for origin in world.origins() {
        if let Some(problem) = circuit_problem(origin.health()) {
            reasons.push(Reason { subject: format!("origin {}", origin.name()), problem });
        }
    }
    reasons
}

fn circuit_problem(health: &Health) -> Option<String> {
    if health.is_closed() {
        return None;
    }
    Some(match health.state() {
        StateName::Closed => "circuit held open".to_owned(),
        state @ (StateName::Open | StateName::HalfOpen | StateName::Ramp) => format!("circuit {state}"),
    })
}

/// `ready` or `not ready`, then a line for each reason.
impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status {
            Status::Ready | Status::Degraded => "ready\n",
            Status::Unready => "not ready\n",
        })?;
        self.reasons.iter().try_for_each(|Reason { subject, problem }| writeln!(f, "degraded: {subject}: {problem}"))
    }
}
