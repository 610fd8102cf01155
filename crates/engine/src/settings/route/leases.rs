//! What a route may say about proving leases: locks and idempotency records, which count once replicas have them.

use super::Ground;
use super::written::WrittenRoute;
use crate::settings::judge::Judge;
use crate::settings::redis::Topology;
use crate::settings::units::WrittenDuration;
use failsoft_core::fencing::Copies;
use failsoft_core::role::Role;
use std::time::Duration;

/// How long replicas are waited for on routes that do not say so.
const DEFAULT_WAIT_TIMEOUT: WrittenDuration = WrittenDuration::millis(100);

/// How leases are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proving {
    /// How many replicas have to have a grant.
    pub copies: Copies,
    /// How long they are waited for.
    pub wait_timeout: Duration,
}

/// Reports what `written` says about proving leases and may not.
pub(super) fn judge(written: &WrittenRoute, role: Role, ground: &Ground<'_>, path: &str, judge: &mut Judge<'_>) {
    if !matches!(role, Role::Lock | Role::Idempotency) {
        refuse(written, role, path, judge);
        return;
    }
    judge_count(written, ground, path, judge);
    judge_times(written, ground, path, judge);
}

fn refuse(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    for (key, is_written) in
        [("wait_replicas", written.wait_replicas.is_some()), ("wait_timeout", written.wait_timeout.is_some())]
    {
        if is_written {
            judge.error(
                format!("{path}.{key}"),
                format!("`{key}` is for roles \"lock\" and \"idempotency\", whose grants wait for replicas; the role here is \"{role}\""),
            );
        }
    }
}

/// A standalone primary may have replicas that are not named, and they count.
fn judge_count(written: &WrittenRoute, ground: &Ground<'_>, path: &str, judge: &mut Judge<'_>) {
    let (Some(wanted), Topology::Standalone) = (written.wait_replicas, ground.topology) else { return };
    if wanted as usize > ground.named_replicas {
        judge
            .warning(
                format!("{path}.wait_replicas"),
                format!(
                    "{wanted} replicas are to have every grant, and redis.replicas names {}: with fewer, nothing is ever granted",
                    ground.named_replicas
                ),
            )
            .hint("name the replicas, or lower `wait_replicas`");
    }
}

fn judge_times(written: &WrittenRoute, ground: &Ground<'_>, path: &str, judge: &mut Judge<'_>) {
    let deadline = written.deadline.map_or(ground.request.deadline(), |own| own.0);
    let timeout = written.timeout.map_or(ground.redis_timeout, |own| own.0);
    let wait = written.wait_timeout.unwrap_or(DEFAULT_WAIT_TIMEOUT).0;
    let is_waited_for = written.wait_replicas.map_or(ground.has_replicas, |wanted| wanted > 0);
    // A deadline that is shorter than the timeout alone is told of elsewhere.
    if is_waited_for && timeout <= deadline && timeout + wait >= deadline {
        judge
            .warning(
                format!("{path}.wait_timeout"),
                format!(
                    "a grant may take {} to be made and {} to reach replicas; the deadline is {}, which leaves no time to take it back",
                    WrittenDuration(timeout),
                    WrittenDuration(wait),
                    WrittenDuration(deadline)
                ),
            )
            .hint("lengthen the deadline, or shorten `timeout` or `wait_timeout`");
    }
}

pub(super) fn mean(written: &WrittenRoute) -> Proving {
    Proving {
        copies: written.wait_replicas.map_or(Copies::OneIfThereAreReplicas, Copies::Exactly),
        wait_timeout: written.wait_timeout.unwrap_or(DEFAULT_WAIT_TIMEOUT).0,
    }
}
