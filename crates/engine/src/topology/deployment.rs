//! One Redis deployment: what is believed of it, and how that is kept true.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use failsoft_core::Tier;
use failsoft_core::circuit::CircuitSettings;
use failsoft_core::cluster::{Endpoint, Standing};
use tokio::sync::watch;

use super::looks::{Look, Looks};
use super::maker::Maker;
use super::stats::TopologyStats;
use super::view::{Builder, View};
use crate::node::{Node, Reads};
use crate::settings::{self, NodeAddress, Topology};
use crate::shutdown::Shutdown;
use crate::tls::ClientTls;

/// Which place a deployment has among the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// It is the Redis that failsoft stands before.
    First,
    /// It is the read-only second one.
    Regional,
}

impl Rank {
    fn primaries(self) -> Tier {
        match self {
            Self::First => Tier::Primary,
            Self::Regional => Tier::Regional,
        }
    }

    fn replicas(self) -> Tier {
        match self {
            Self::First => Tier::Replica,
            Self::Regional => Tier::Regional,
        }
    }
}

/// Why the topology is to be looked at anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A node has said that a slot is not its own.
    Moved,
    /// A primary has refused a write because it is none.
    Demoted,
    /// A primary could not be asked, or did not answer.
    Lost,
    /// Sentinels have said something.
    Told,
}

impl Hint {
    /// The name used in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Demoted => "readonly",
            Self::Lost => "lost",
            Self::Told => "sentinel",
        }
    }
}

/// Nobody may be spoken to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forbidden;

/// One Redis deployment.
pub struct Deployment {
    redis: settings::Redis,
    rank: Rank,
    maker: Maker,
    view: ArcSwap<View>,
    looks: Looks,
    stats: TopologyStats,
    /// Told of every new view: the engine's generation, which clients listen to.
    news: Arc<watch::Sender<u64>>,
    shutdown: Shutdown,
}

impl Deployment {
    /// The deployment that `redis` names: all of it where it is standalone, and otherwise whom to ask about it. Nodes that
    /// are in `before` are taken over.
    pub(crate) fn new(
        redis: &settings::Redis,
        rank: Rank,
        maker: Maker,
        before: Option<&View>,
        news: Arc<watch::Sender<u64>>,
    ) -> Self {
        let mut builder = Builder::default();
        let now = maker.clock.now();
        let view = match redis.deployment() {
            settings::Deployment::Standalone { primary, replicas } => {
                let node = |tier, address| maker.node(tier, address, Reads::OfPrimary, before);
                let primary = (node(rank.primaries(), primary), Standing::Sound);
                let replicas = replicas.iter().map(|address| node(rank.replicas(), address));
                builder.add(Some(primary), replicas, Vec::new());
                builder.whole(1, now)
            }
            settings::Deployment::Sentinel { .. } => builder.whole(0, now),
            settings::Deployment::Cluster { .. } => builder.sharded(0, now),
        };
        Self {
            redis: redis.clone(),
            rank,
            maker,
            view: ArcSwap::from_pointee(view),
            looks: Looks::default(),
            stats: TopologyStats::default(),
            news,
            shutdown: Shutdown::default(),
        }
    }

    /// How its nodes belong together.
    pub fn topology(&self) -> Topology {
        self.redis.topology()
    }

    /// What TLS with its nodes is made with, if there is any.
    pub fn tls(&self) -> Option<&Arc<ClientTls>> {
        self.maker.tls.as_ref()
    }

    /// What is believed of it.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Whether there is more to know than the settings say.
    pub fn is_discovered(&self) -> bool {
        self.topology() != Topology::Standalone
    }

    /// What has been counted about looking at it.
    pub fn stats(&self) -> &TopologyStats {
        &self.stats
    }

    /// Where a node is reached that others say is at `endpoint`.
    ///
    /// # Errors
    /// Nobody may be spoken to there.
    pub(crate) fn reach(&self, endpoint: &Endpoint) -> Result<NodeAddress, Forbidden> {
        let security = self.maker.template.address.security();
        Ok(NodeAddress::Tcp { host: endpoint.host.clone(), port: endpoint.port, security })
    }

    /// When one of its nodes counts as sick.
    pub fn circuit(&self) -> &CircuitSettings {
        &self.maker.circuit
    }

    /// The database that is selected on every connection.
    pub fn database(&self) -> u32 {
        self.maker.template.database
    }

    /// Asks for a look at the topology; the one to wait for, if there is anything to be learned.
    pub fn hint(&self, hint: Hint) -> Option<Look> {
        if !self.is_discovered() {
            return None;
        }
        self.stats.hints.increment(hint.name());
        Some(self.looks.ask())
    }

    /// Returns when `look` has been done, or after `patience`.
    pub async fn learned(&self, look: Look, patience: Duration) {
        self.looks.done(look, patience).await;
    }

    /// Begins to watch the nodes, and the topology, on the present runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        self.view().nodes().iter().for_each(Node::watch);
    }

    /// Closes every connection.
    pub(crate) fn close(&self) {
        self.shutdown.begin();
        self.view().nodes().iter().for_each(|node| node.close());
    }
}
