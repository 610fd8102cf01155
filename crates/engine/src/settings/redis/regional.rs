//! `[regional]`: what a second deployment, which is only read from, may not say.

use super::{Redis, Topology};
use crate::settings::judge::Judge;

const TABLE: &str = "regional";

/// Reports what is written for the regional deployment and means nothing there; whether it says where it is.
pub(crate) fn judge_regional(judge: &mut Judge<'_>) -> bool {
    let says_where = judge.was_written("regional.nodes");
    if !says_where {
        judge
            .error(TABLE, "[regional] does not say where the second deployment is")
            .hint("nodes = [\"redis://redis.other-region:6379\"]");
    }
    for (key, why) in [
        ("max_dedicated", "no client has a connection of its own there"),
        ("max_connects", "no client has a connection of its own there"),
        ("auth_failure", "when it refuses failsoft's credentials the next tier is asked"),
    ] {
        let path = format!("{TABLE}.{key}");
        if judge.was_written(&path) {
            judge
                .error(path, format!("[regional] is only read from and has no `{key}`: {why}"))
                .hint(format!("leave `{key}` out"));
        }
    }
    says_where
}

/// The second deployment is another one than the first. The same sentinels may watch both.
pub(crate) fn ensure_elsewhere(redis: &Redis, regional: &Redis, judge: &mut Judge<'_>) {
    let both_watched = [redis, regional].iter().all(|one| one.topology() == Topology::Sentinel);
    if both_watched && redis.deployment.master_name() != regional.deployment.master_name() {
        return;
    }
    let first: Vec<String> = redis.seeds().iter().chain(redis.replicas()).map(ToString::to_string).collect();
    let nodes = regional.seeds().iter().enumerate().map(|(index, node)| (format!("{TABLE}.nodes[{index}]"), node));
    let replicas = regional.replicas().iter().enumerate();
    let replicas = replicas.map(|(index, node)| (format!("{TABLE}.replicas[{index}]"), node));
    for (path, node) in nodes.chain(replicas).filter(|(_, node)| first.contains(&node.to_string())) {
        judge
            .error(path, format!("{node} belongs to [redis] already: [regional] is a second deployment"))
            .hint("name another deployment, or leave [regional] out: replicas of the first are a tier of their own");
    }
}
