//! Replicas that become primaries, because they are told to or because their primary is gone.

use super::{Cluster, Node, PATIENCE};
use crate::wait::{eventually, eventually_some};

/// How a replica is told to take over (CLUSTER FAILOVER).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    /// With its primary's help: writes are held until the replica has them all. Nothing is lost.
    Plain,
    /// Without its primary, with the votes of the other primaries.
    Force,
    /// Without anybody: it takes the slots at an epoch of its own making.
    Takeover,
}

impl Cluster {
    /// Tells `replica` to take over from its primary, and returns when it has begun; [`Cluster::wait_promoted`] waits for the end.
    ///
    /// # Panics
    /// When the node refuses, for instance because it is a primary.
    pub async fn failover(&self, replica: &Node, how: Failover) {
        let words: &[&str] = match how {
            Failover::Plain => &["CLUSTER", "FAILOVER"],
            Failover::Force => &["CLUSTER", "FAILOVER", "FORCE"],
            Failover::Takeover => &["CLUSTER", "FAILOVER", "TAKEOVER"],
        };
        replica.command(words).await;
    }

    /// Waits until `node` says of itself that it is a primary with slots, and that the cluster serves.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn wait_promoted(&self, node: &Node) {
        let what = format!("node {} to be promoted", node.addr());
        eventually(&what, PATIENCE, || async {
            let view = node.view().await;
            let is_owner = view.is_some_and(|view| view.own().is_primary() && !view.own().slots.is_empty());
            is_owner && node.says_ok().await
        })
        .await;
    }

    /// Waits until another node of the shard that `lost` was started in is its primary, and returns that one.
    ///
    /// `lost` may be dead, stopped, or in a minority and still believe in itself.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn wait_successor(&self, lost: &Node) -> &Node {
        let what = format!("a replica of {} to be promoted", lost.addr());
        let successor = eventually_some(&what, PATIENCE, || async {
            let others =
                self.own_words().await.into_iter().filter(|(node, _)| node.shard == lost.shard && node.id != lost.id);
            let owners = others.filter(|(_, member)| member.is_primary() && !member.slots.is_empty());
            owners.max_by_key(|(_, member)| member.config_epoch).map(|(node, _)| node)
        })
        .await;
        self.wait_promoted(successor).await;
        successor
    }
}
