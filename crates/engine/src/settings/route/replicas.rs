//! What a route may say about replicas, by its role.
//!
//! A replica is behind its primary by an unknown little or an unknown lot. For a cache that is one more age; for a lock it is
//! a second holder. A session is between the two, so whoever wants its replicas read says how far behind they may be.

use super::Ground;
use super::written::{ReadFrom, WrittenRoute};
use crate::settings::judge::Judge;
use failsoft_core::role::Role;

/// Reports what `written` says about replicas and may not.
pub(super) fn judge(written: &WrittenRoute, role: Role, ground: &Ground<'_>, path: &str, judge: &mut Judge<'_>) {
    match why_only_the_primary(role) {
        Some(why) => refuse(written, role, why, path, judge),
        None => {
            judge_session(written, role, path, judge);
            judge_tier(written, ground, path, judge);
        }
    }
}

/// Why no replica may answer for a role, in one sentence.
fn why_only_the_primary(role: Role) -> Option<&'static str> {
    match role {
        Role::Cache | Role::Flag | Role::Session => None,
        Role::RateLimit => Some("a replica has not heard of the latest attempts, and would let too many pass"),
        Role::Lock => Some("a replica may not have heard of the holder"),
        Role::Idempotency => Some("a replica may not have heard of what has been done"),
        Role::Invalidation => Some("it carries messages, and a message is not read twice"),
        Role::Unclassified => Some("nobody has said whether these keys may be a little old"),
    }
}

fn refuse(written: &WrittenRoute, role: Role, why: &str, path: &str, judge: &mut Judge<'_>) {
    if written.read_from == ReadFrom::Replica {
        judge
            .error(
                format!("{path}.read_from"),
                format!("a route with role \"{role}\" may not be read from replicas: {why}"),
            )
            .hint("leave `read_from` out, or give the keys the role they really have");
    }
    if written.max_replica_lag.is_some() {
        judge
            .error(
                format!("{path}.max_replica_lag"),
                format!("a route with role \"{role}\" may not have `max_replica_lag`: {why}"),
            )
            .hint("leave `max_replica_lag` out, or give the keys the role they really have");
    }
}

fn judge_session(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    if role == Role::Session && written.read_from == ReadFrom::Replica && written.max_replica_lag.is_none() {
        judge
            .error(
                format!("{path}.read_from"),
                "a session is read from replicas only if the route says how far behind they may be",
            )
            .hint("add max_replica_lag = \"2s\": who has just logged in may be unknown for so long");
    }
}

fn judge_tier(written: &WrittenRoute, ground: &Ground<'_>, path: &str, judge: &mut Judge<'_>) {
    if written.read_from != ReadFrom::Replica {
        return;
    }
    let path = format!("{path}.read_from");
    if !written.tiers.replica {
        judge.error(path, "replicas cannot be asked first: `tiers` leaves them out");
    } else if !ground.has_replicas {
        judge.warning(path, "there is no replica to ask first").hint("name replicas in redis.replicas");
    }
}
