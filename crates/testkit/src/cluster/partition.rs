//! Cuts between nodes, and between clients and nodes, of a cluster that was built `partitionable`.
//!
//! What a test asks through [`Node::command`] and [`Node::redis`] goes past the gates, so it can look into every side of a
//! partition. A client of the cluster, failsoft among them, knows the gates only.

use super::{Cluster, Node};
use crate::network::{Network, Party};

impl From<&Node> for Party {
    fn from(node: &Node) -> Self {
        node.party
    }
}

impl Cluster {
    /// Lets nothing pass between these and those: `partition(&[old], &[a, b])`, `partition(&[Party::Clients], &[old])`.
    ///
    /// # Panics
    /// When the cluster was not built [`partitionable`](super::ClusterBuilder::partitionable).
    pub fn partition<A: Into<Party> + Copy, B: Into<Party> + Copy>(&self, these: &[A], those: &[B]) {
        self.partition_one_way(these, those);
        self.partition_one_way(those, these);
    }

    /// Lets nothing pass `from` these `to` those; what those say still arrives.
    ///
    /// # Panics
    /// As [`Cluster::partition`].
    pub fn partition_one_way<A: Into<Party> + Copy, B: Into<Party> + Copy>(&self, from: &[A], to: &[B]) {
        self.network().cut(from, to);
    }

    /// Lets everything pass again.
    ///
    /// # Panics
    /// As [`Cluster::partition`].
    pub fn heal(&self) {
        self.network().heal();
    }

    /// All nodes but these: the other side of a partition.
    pub fn nodes_but(&self, these: &[&Node]) -> Vec<&Node> {
        self.nodes.iter().filter(|node| these.iter().all(|excluded| excluded.id != node.id)).collect()
    }

    fn network(&self) -> &Network {
        self.network.as_ref().expect("only a cluster built `partitionable` has a network of its own")
    }
}
