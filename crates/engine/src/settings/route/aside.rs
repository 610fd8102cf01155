//! How callers that make a route's values themselves are kept from all going to their database at once.

use super::Ground;
use super::written::WrittenRoute;
use crate::settings::judge::Judge;
use crate::settings::units::WrittenDuration;
use failsoft_core::role::Role;
use std::time::Duration;

/// How long a caller has to write what it was told to be missing, where nothing else is said.
const DEFAULT_TERM: Duration = Duration::from_secs(2);

/// One caller per missing key goes to its database; the others wait for what it writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lease {
    term: Duration,
    wait: Duration,
    max_misses: Option<f64>,
}

impl Lease {
    /// How long a caller has to write what it was told to be missing.
    pub fn term(&self) -> Duration {
        self.term
    }

    /// How long the others wait for it.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Callers a second that are told that there is no value, by the whole fleet. `None` is unlimited.
    pub fn max_misses(&self) -> Option<f64> {
        self.max_misses
    }
}

/// The lease that `written` asks for. On by itself where nothing else can make or stand for a value.
pub(super) fn read_lease(
    written: &WrittenRoute,
    role: Role,
    path: &str,
    ground: &Ground<'_>,
    judge: &mut Judge<'_>,
) -> Option<Lease> {
    if let Some(why) = why_none(written, role) {
        refuse(written, why, path, judge);
        return None;
    }
    let alone = written.default.is_none();
    let term = written.lease.map_or(if alone { DEFAULT_TERM } else { Duration::ZERO }, |written| written.0);
    if term.is_zero() {
        refuse_budget_without_lease(written, path, judge);
        return None;
    }
    let lease = Lease { term, wait: written.lease_wait.0, max_misses: written.max_misses };
    let deadline = written.deadline.map_or(ground.request.deadline(), |own| own.0);
    if judge.was_written(format!("{path}.lease_wait")) && lease.wait >= deadline {
        let message = format!("nobody waits for longer than the deadline, which is {}", WrittenDuration(deadline));
        judge.warning(format!("{path}.lease_wait"), message);
    }
    Some(lease)
}

fn why_none(written: &WrittenRoute, role: Role) -> Option<&'static str> {
    match (role, &written.origin) {
        (Role::Cache, None) => None,
        (Role::Cache, Some(_)) => Some("the route's origin makes missing values, once for all who ask"),
        _ => Some("only a cache has values that callers may make"),
    }
}

fn refuse(written: &WrittenRoute, why: &str, path: &str, judge: &mut Judge<'_>) {
    let is_off = written.lease.is_none_or(|lease| lease.0.is_zero());
    for (key, is_written) in [("lease", !is_off), ("max_misses", written.max_misses.is_some())] {
        if is_written {
            judge.error(format!("{path}.{key}"), format!("`{key}` has no meaning here: {why}"));
        }
    }
}

fn refuse_budget_without_lease(written: &WrittenRoute, path: &str, judge: &mut Judge<'_>) {
    if written.max_misses.is_some() {
        judge
            .error(format!("{path}.max_misses"), "`max_misses` is counted where leases are granted, and there are none")
            .hint("write lease = \"2s\"");
    }
}
