//! How a cluster comes to be: every node is started with a file in which the whole cluster is already known.
//!
//! `redis-cli --cluster create` and CLUSTER MEET build a cluster by gossip, in steps that have to be waited for. A node that
//! is *re*started finds the same knowledge in its `nodes.conf`; so these files are written beforehand, and what remains
//! is what every cluster takes that starts: the two seconds in which a primary does not yet dare to serve
//! (`CLUSTER_WRITABLE_DELAY` in Redis), during which replicas copy.

use std::time::Duration;

use super::Cluster;
use super::node::{Gates, Node};
use super::plan::{self, Plan, Ports};
use crate::network::{Network, Party};
use crate::redis::{Redis, Steady};
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
    network: Option<Network>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            primaries: 3,
            empty_primaries: 0,
            replicas: 1,
            settings: Vec::new(),
            hostnames: Vec::new(),
            network: None,
        }
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

    /// The nodes reach each other, and clients reach them, through gates that [`Cluster::partition`] can shut.
    ///
    /// # Panics
    /// When this machine cannot tell servers apart by their loopback addresses.
    pub fn partitionable(mut self) -> Self {
        self.network = Some(Network::new());
        self
    }

    /// Starts it and waits until every node serves and every replica has its copy.
    ///
    /// # Panics
    /// When `redis-server` is missing or a node does not come up; its log is in the message.
    pub async fn start(self) -> Cluster {
        let plans = self.plans();
        let nodes = together::all((0..plans.len()).map(|index| self.start_node(&plans, index))).await;
        let cluster = Cluster { nodes, network: self.network };
        cluster.wait_ok().await;
        cluster
    }

    fn plans(&self) -> Vec<Plan> {
        let ports = || match self.network {
            Some(_) => Ports::behind_gates(),
            None => Ports::direct(),
        };
        let parts = plan::parts(self.primaries, self.empty_primaries, self.replicas);
        parts.into_iter().map(|part| Plan::new(part, ports())).collect()
    }

    async fn start_node(&self, plans: &[Plan], index: usize) -> Node {
        let plan = &plans[index];
        let ports = plan.take_ports();
        let party = Party::server(index);
        let mut builder = Redis::builder();
        for (name, value) in self.settings_of(index, plan, ports.bus.number(), party) {
            builder = builder.set(&name, &value);
        }
        let gates = match (&self.network, ports.gates) {
            (Some(network), Some((data, bus))) => Some(Gates {
                data: network.gate(data, party, ports.data.addr()).await,
                bus: network.gate(bus, party, ports.bus.addr()).await,
            }),
            (None, _) | (_, None) => None,
        };
        let redis = builder.port(ports.data).file(NODES_FILE, &plan::nodes_file(plans, index)).start().await;
        let steady = Steady::default();
        Node { redis, id: plan.id.clone(), shard: plan.shard(index), party, gates, _bus: ports.bus, steady }
    }

    /// Ours first, since of two lines of one name Redis takes the last.
    fn settings_of(&self, index: usize, plan: &Plan, bus_port: u16, party: Party) -> Vec<(String, String)> {
        let mut ours: Vec<(&str, String)> = DEFAULTS.map(|(name, value)| (name, value.to_owned())).into();
        ours.push(("cluster-port", bus_port.to_string()));
        ours.push(("cluster-announce-port", plan.data_port.to_string()));
        ours.push(("cluster-announce-bus-port", plan.bus_port.to_string()));
        if self.network.is_some() {
            ours.push(("bind-source-addr", party.source().to_string()));
            // To Redis, only 127.0.0.1 is this machine.
            ours.push(("protected-mode", "no".to_owned()));
        }
        if let Some(name) = self.hostnames.get(index) {
            ours.push(("cluster-announce-hostname", name.clone()));
        }
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        ours.chain(self.settings.iter().cloned()).collect()
    }
}
