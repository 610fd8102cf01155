//! Slots on the move, with their keys and under traffic: in one go, or step by step so that a test can look in the middle.
//!
//! The steps are those of `redis-cli --cluster reshard`: the target imports, the source migrates, keys go over in batches, then
//! the target, the source and everybody else are told of the new owner. Between the first step and the last, the source answers
//! ASK for a key that has gone and TRYAGAIN for a command on keys that are divided.

use std::ops::RangeInclusive;

use redis::{FromRedisValue, from_redis_value};

use super::{Cluster, Member, Node, PATIENCE};
use crate::together;
use crate::wait::eventually;

/// Keys in one MIGRATE.
const BATCH: usize = 100;

/// How long one MIGRATE may take, in milliseconds.
const MIGRATE_TIMEOUT_MS: &str = "10000";

/// One slot between two primaries. Dropping it leaves the slot where it is: on the move.
#[must_use = "the slot stays on the move until `finish` or `abandon`"]
#[derive(Debug)]
pub struct Move<'a> {
    cluster: &'a Cluster,
    slot: String,
    source: &'a Node,
    target: &'a Node,
}

impl Cluster {
    /// Moves `slots` with all their keys to `target`, one slot after the other, and waits until all nodes know; those that
    /// it has already stay, those that nobody has are left out.
    ///
    /// # Panics
    /// When a node refuses a step or is away.
    pub async fn reshard(&self, slots: RangeInclusive<u16>, target: &Node) {
        let owners = self.own_words().await;
        for slot in slots.clone() {
            let owns = |member: &Member| member.is_primary() && member.owns(slot) && member.id != target.id();
            if let Some((source, _)) = owners.iter().find(|(_, member)| owns(member)) {
                let moving = self.begin_move_between(slot, source, target).await;
                while moving.move_keys(BATCH).await > 0 {}
                moving.finish().await;
            }
        }
        eventually("all nodes to know the new owner", PATIENCE, || self.is_known(&slots, target)).await;
    }

    /// Puts `slot` on the move from its primary to `target`, another primary. No key has gone yet.
    ///
    /// # Panics
    /// When a node refuses or is away.
    pub async fn begin_move<'a>(&'a self, slot: u16, target: &'a Node) -> Move<'a> {
        let source = self.primary_of(slot).await;
        self.begin_move_between(slot, source, target).await
    }

    async fn begin_move_between<'a>(&'a self, slot: u16, source: &'a Node, target: &'a Node) -> Move<'a> {
        let slot = slot.to_string();
        run::<()>(target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", source.id()]).await;
        run::<()>(source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", target.id()]).await;
        Move { cluster: self, slot, source, target }
    }

    /// Whether every node that is alive gives `target` the ends of `slots`, the last of which moved last.
    async fn is_known(&self, slots: &RangeInclusive<u16>, target: &Node) -> bool {
        let alive = self.nodes.iter().filter(|node| node.redis.is_alive());
        let knows = alive.map(|node| async move {
            let view = node.view().await?;
            Some(view.of(target.id())?.owns(*slots.start()) && view.of(target.id())?.owns(*slots.end()))
        });
        together::all(knows).await.into_iter().all(|knows| knows == Some(true))
    }
}

impl Move<'_> {
    /// Where the slot comes from.
    pub fn source(&self) -> &Node {
        self.source
    }

    /// Where it goes.
    pub fn target(&self) -> &Node {
        self.target
    }

    /// Some of the keys that are still at the source, at most `most`.
    pub async fn keys_left(&self, most: usize) -> Vec<String> {
        run(self.source, &["CLUSTER", "GETKEYSINSLOT", &self.slot, &most.to_string()]).await
    }

    /// Takes some keys over, at most `most`, and says how many there were.
    pub async fn move_keys(&self, most: usize) -> usize {
        let keys = self.keys_left(most).await;
        self.migrate(&keys).await;
        keys.len()
    }

    /// Takes one key over: from now on the source answers ASK for it.
    pub async fn move_key(&self, key: &str) {
        self.migrate(&[key.to_owned()]).await;
    }

    /// Gives the slot to the target for good, and tells every primary that is alive.
    ///
    /// # Panics
    /// When keys are left at the source, which Redis would rather not lose.
    pub async fn finish(self) {
        let words = ["CLUSTER", "SETSLOT", &self.slot, "NODE", self.target.id()];
        // The target first: should the source stop being one in between, somebody must already own the slot.
        run::<()>(self.target, &words).await;
        run::<()>(self.source, &words).await;
        let told = [self.target.id(), self.source.id()];
        let rest = self.cluster.nodes.iter().filter(|node| node.redis.is_running() && !told.contains(&node.id()));
        together::all(rest.map(|node| async {
            // A replica refuses, and learns from its primary; a node that has just gone will learn when it is back.
            let _ = node.ask_patiently(&words).await;
        }))
        .await;
    }

    /// Leaves the slot with the source; keys that have gone over are taken back.
    pub async fn abandon(self) {
        let gone: Vec<String> = run(self.target, &["CLUSTER", "GETKEYSINSLOT", &self.slot, "1000000"]).await;
        run::<()>(self.source, &["CLUSTER", "SETSLOT", &self.slot, "STABLE"]).await;
        migrate(self.target, self.source, &gone).await;
        run::<()>(self.target, &["CLUSTER", "SETSLOT", &self.slot, "STABLE"]).await;
    }

    async fn migrate(&self, keys: &[String]) {
        migrate(self.source, self.target, keys).await;
    }
}

async fn migrate(from: &Node, to: &Node, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    let port = to.redis.port().to_string();
    let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MIGRATE_TIMEOUT_MS, "REPLACE"];
    let password = to.redis.password();
    words.extend(password.iter().flat_map(|password| ["AUTH", password]));
    words.push("KEYS");
    words.extend(keys.iter().map(String::as_str));
    run::<String>(from, &words).await;
}

/// # Panics
/// When the node refuses or is away: a resharding that went wrong cannot be gone on with.
async fn run<T: FromRedisValue>(node: &Node, words: &[&str]) -> T {
    let answer = node.ask_patiently(words).await.and_then(|value| Ok(from_redis_value(value)?));
    answer.unwrap_or_else(|error| panic!("node {} did not do {:?}: {error}", node.addr(), &words[..words.len().min(4)]))
}
