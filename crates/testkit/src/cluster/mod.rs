//! A real Redis Cluster: `redis-server` processes on free loopback ports, whole in a few seconds.
//!
//! [`Cluster::start`] gives three primaries with a replica each; [`Cluster::builder`] other shapes. Who is primary of what
//! is asked of the nodes every time, because tests change it: a node's own word counts, of several that claim a slot the
//! one with the highest epoch, and a node that is dead or stopped says nothing. Breaking single nodes is in [`Node`],
//! changing roles in `failover`, moving slots in `reshard`, cutting the network in `partition`.
//!
//! ```no_run
//! use failsoft_testkit::cluster::{Cluster, slot};
//!
//! # async fn example() {
//! let cluster = Cluster::start().await;
//! let primary = cluster.primary_of(slot::of("user:42")).await;
//! primary.kill().await;
//! let successor = cluster.wait_successor(primary).await;
//! successor.command(&["SET", "user:42", "here"]).await;
//! # }
//! ```

mod builder;
mod failover;
mod node;
mod partition;
mod plan;
mod reshard;
pub mod slot;
mod view;

use std::time::Duration;

pub use builder::ClusterBuilder;
pub use failover::Failover;
pub use node::Node;
pub use reshard::Move;
pub use view::{Member, View};

use crate::network::Network;
use crate::together;
use crate::wait::{eventually_ok, eventually_some};

/// For a cluster to agree: several node timeouts, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running cluster. Dropping it kills its nodes.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    network: Option<Network>,
}

impl Cluster {
    /// Three primaries with a replica each, as [`Cluster::builder`] has them.
    ///
    /// # Panics
    /// When `redis-server` is missing or a node does not come up.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A cluster to be: node timeout 2 s, replicas that stand for election however long they were cut off.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// All nodes, in an order that never changes: the first primaries, those without slots, then the replicas of the
    /// first, of the second, ...
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The URLs of all nodes, as a client is given seeds.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Node::url).collect()
    }

    /// The node that listens at `port`.
    ///
    /// # Panics
    /// When there is none.
    pub fn node_at(&self, port: u16) -> &Node {
        let found = self.nodes.iter().find(|node| node.port() == port);
        found.unwrap_or_else(|| panic!("no node of this cluster listens at port {port}"))
    }

    /// The primary of `slot`, waiting for it if there is none at the moment.
    ///
    /// # Panics
    /// When there is none for long.
    pub async fn primary_of(&self, slot: u16) -> &Node {
        let what = format!("slot {slot} to have a primary");
        eventually_some(&what, PATIENCE, || self.look_for_primary_of(slot)).await
    }

    /// The nodes that follow `primary` by their own word.
    pub async fn replicas_of(&self, primary: &Node) -> Vec<&Node> {
        let own = self.own_words().await;
        let follows = |member: &Member| member.primary.as_deref() == Some(primary.id());
        own.into_iter().filter(|(_, member)| follows(member)).map(|(node, _)| node).collect()
    }

    /// Waits until the cluster serves: every running node says so, they agree on the owners of slots and on who is well,
    /// and replicas are fed. Dead nodes are left out; a stopped one is waited for.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn wait_ok(&self) {
        eventually_ok("the cluster to be ok", PATIENCE, || self.complaint()).await;
    }

    async fn complaint(&self) -> Result<(), String> {
        let alive: Vec<_> = self.nodes.iter().filter(|node| node.redis.is_alive()).collect();
        let views = together::all(alive.iter().map(|node| node.view())).await;
        let views: Vec<View> = views.into_iter().collect::<Option<_>>().ok_or("a node does not answer")?;
        if !views.windows(2).all(|pair| pair[0].owners() == pair[1].owners()) {
            return Err("the nodes differ about who owns what".to_owned());
        }
        let pairs = views.iter().flat_map(|view| alive.iter().map(move |node| (view, node)));
        if let Some((view, node)) = pairs.into_iter().find(|(view, node)| !is_well(view, node.id())) {
            return Err(format!("{} says of {}: {:?}", view.own().address, node.addr(), view.of(node.id())));
        }
        let asked = alive.iter().zip(&views).map(|(node, view)| async {
            match node.says_ok().await && (view.own().is_primary() || node.is_fed().await) {
                true => Ok(()),
                false => Err(format!("{} does not serve, or has no copy of its primary", node.addr())),
            }
        });
        together::all(asked).await.into_iter().collect()
    }

    async fn look_for_primary_of(&self, slot: u16) -> Option<&Node> {
        let own = self.own_words().await.into_iter();
        let claims = own.filter(|(_, member)| member.is_primary() && member.owns(slot));
        claims.max_by_key(|(_, member)| member.config_epoch).map(|(node, _)| node)
    }

    /// What each node that answers says of itself.
    async fn own_words(&self) -> Vec<(&Node, Member)> {
        let words = self.nodes.iter().map(|node| async move { Some((node, node.view().await?.own().clone())) });
        together::all(words).await.into_iter().flatten().collect()
    }
}

fn is_well(view: &View, id: &str) -> bool {
    view.of(id).is_some_and(|member| !["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| member.is(flag)))
}
