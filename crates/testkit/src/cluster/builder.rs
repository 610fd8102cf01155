//! How a cluster comes to be: every node is started with a file in which the whole cluster is already known.
//!
//! `redis-cli --cluster create` and CLUSTER MEET build a cluster by gossip, in steps that have to be waited for. A node that
//! is *re*started finds the same knowledge in its `nodes.conf`; so these files are written beforehand, and what remains
//! is what every cluster takes that starts: the two seconds in which a primary does not yet dare to serve
//! (`CLUSTER_WRITABLE_DELAY` in Redis), during which replicas copy.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::RangeInclusive;
use std::time::Duration;

use parking_lot::Mutex;

use super::node::Node;
use super::{Cluster, slot};
use crate::port::FreePort;
use crate::redis::Redis;
use crate::together;

const DEFAULTS: [(&str, &str); 5] = [
    ("cluster-enabled", "yes"),
    ("cluster-config-file", NODES_FILE),
    ("cluster-node-timeout", "2000"),
    // However long a replica was cut off, it stands for election: tests stop things for longer than production does.
    ("cluster-replica-validity-factor", "0"),
    // Otherwise a node tells the address it happens to be connected from.
    ("cluster-announce-ip", "127.0.0.1"),
];

const NODES_FILE: &str = "nodes.conf";

/// Settings of a [`Cluster`] to be.
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct ClusterBuilder {
    primaries: usize,
    empty_primaries: usize,
    replicas: usize,
    settings: Vec<(String, String)>,
    hostnames: Vec<String>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self { primaries: 3, empty_primaries: 0, replicas: 1, settings: Vec::new(), hostnames: Vec::new() }
    }
}

impl ClusterBuilder {
    /// How many primaries share the slots; 3 unless told.
    pub fn primaries(mut self, count: usize) -> Self {
        self.primaries = count;
        self
    }

    /// How many replicas each of them has; 1 unless told.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Further primaries, without slots and without replicas: targets for a resharding.
    pub fn empty_primaries(mut self, count: usize) -> Self {
        self.empty_primaries = count;
        self
    }

    /// One line of every node's redis.conf: `set("cluster-require-full-coverage", "no")`.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A node that has been unreachable for this long is suspected; 2 s unless told.
    pub fn node_timeout(self, timeout: Duration) -> Self {
        self.set("cluster-node-timeout", &timeout.as_millis().to_string())
    }

    /// The password that clients, and the nodes among themselves, must say.
    pub fn password(self, password: &str) -> Self {
        self.set("requirepass", password).set("masterauth", password)
    }

    /// The nodes announce these names, in the order of [`Cluster::nodes`], and redirect to them instead of to addresses.
    pub fn hostnames(mut self, names: &[&str]) -> Self {
        self.hostnames = names.iter().map(|name| (*name).to_owned()).collect();
        self.set("cluster-preferred-endpoint-type", "hostname")
    }

    /// Starts it and waits until every node serves and every replica has its copy.
    ///
    /// # Panics
    /// When `redis-server` is missing or a node does not come up; its log is in the message.
    pub async fn start(self) -> Cluster {
        let plans = self.plans();
        let nodes = together::all((0..plans.len()).map(|index| self.start_node(&plans, index))).await;
        let cluster = Cluster { nodes };
        cluster.wait_ok().await;
        cluster
    }

    /// Primaries first, then the replicas of the first, of the second, ...
    fn plans(&self) -> Vec<Plan> {
        assert!(self.primaries > 0, "a cluster needs a primary");
        let owning = shares(self.primaries).into_iter().map(|slots| Plan::new(Part::Primary { slots: Some(slots) }));
        let empty = (0..self.empty_primaries).map(|_| Plan::new(Part::Primary { slots: None }));
        let replicas = (0..self.primaries)
            .flat_map(|of| (0..self.replicas).map(move |_| of))
            .map(|of| Plan::new(Part::Replica { of }));
        owning.chain(empty).chain(replicas).collect()
    }

    async fn start_node(&self, plans: &[Plan], index: usize) -> Node {
        let plan = &plans[index];
        let (data, bus) = plan.take_ports();
        let mut builder = Redis::builder().port(data).file(NODES_FILE, &nodes_file(plans, index));
        for (name, value) in DEFAULTS {
            builder = builder.set(name, value);
        }
        builder = builder.set("cluster-port", &bus.number().to_string());
        if let Some(name) = self.hostnames.get(index) {
            builder = builder.set("cluster-announce-hostname", name);
        }
        for (name, value) in &self.settings {
            builder = builder.set(name, value);
        }
        let redis = builder.start().await;
        Node { redis, id: plan.id.clone(), shard: plan.shard(index), _bus: bus, asking: Mutex::default() }
    }
}

/// A node before it runs.
#[derive(Debug)]
struct Plan {
    id: String,
    part: Part,
    data_port: u16,
    bus_port: u16,
    ports: Mutex<Option<(FreePort, FreePort)>>,
}

#[derive(Debug)]
enum Part {
    Primary { slots: Option<RangeInclusive<u16>> },
    Replica { of: usize },
}

impl Plan {
    fn new(part: Part) -> Self {
        let (data, bus) = (FreePort::reserve(), FreePort::reserve());
        let (data_port, bus_port) = (data.number(), bus.number());
        Self { id: new_id(), part, data_port, bus_port, ports: Mutex::new(Some((data, bus))) }
    }

    /// The number of its first primary.
    fn shard(&self, index: usize) -> usize {
        match self.part {
            Part::Primary { .. } => index,
            Part::Replica { of } => of,
        }
    }

    fn take_ports(&self) -> (FreePort, FreePort) {
        self.ports.lock().take().expect("a node is started once")
    }
}

/// The slots cut into `count` runs of nearly the same length.
fn shares(count: usize) -> Vec<RangeInclusive<u16>> {
    let count = u16::try_from(count).expect("there are more ports than primaries").into();
    let start = |share: u32| u16::try_from(u32::from(slot::COUNT) * share / count).expect("no more than all slots");
    (0..count).map(|share| start(share)..=start(share + 1) - 1).collect()
}

/// 40 hexadecimal digits that no other node has, on this machine and in this life.
fn new_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}{:08x}", random(), random(), random() >> 32)
}

/// The cluster as node `own` would have written it down before it was restarted.
fn nodes_file(plans: &[Plan], own: usize) -> String {
    let lines = plans.iter().enumerate().map(|(index, plan)| {
        let myself = if index == own { "myself," } else { "" };
        let (role, epoch, slots) = match &plan.part {
            // An epoch each, as they would have after they had met.
            Part::Primary { slots } => ("master -".to_owned(), index + 1, slots.as_ref()),
            Part::Replica { of } => (format!("slave {}", plans[*of].id), 0, None),
        };
        let slots = slots.map(|slots| format!(" {}-{}", slots.start(), slots.end())).unwrap_or_default();
        let Plan { id, data_port, bus_port, .. } = plan;
        format!("{id} 127.0.0.1:{data_port}@{bus_port} {myself}{role} 0 0 {epoch} connected{slots}\n")
    });
    let vars = format!("vars currentEpoch {} lastVoteEpoch 0\n", plans.len());
    lines.chain([vars]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_all_slots_once() {
        for count in [1, 3, 7] {
            let all: Vec<u16> = shares(count).into_iter().flatten().collect();
            assert!(all.into_iter().eq(0..slot::COUNT));
        }
    }

    #[test]
    fn the_file_says_who_one_is_and_whom_replicas_follow() {
        let plans = ClusterBuilder::default().primaries(1).empty_primaries(1).plans();
        let file = nodes_file(&plans, 2);
        let lines: Vec<_> = file.lines().collect();
        assert!(lines[0].ends_with("master - 0 0 1 connected 0-16383"), "{file}");
        assert!(lines[1].ends_with("master - 0 0 2 connected"), "{file}");
        assert!(lines[2].contains(&format!("myself,slave {} 0 0 0", plans[0].id)), "{file}");
        assert_eq!(lines[3], "vars currentEpoch 3 lastVoteEpoch 0");
    }
}
