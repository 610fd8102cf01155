//! From an address to a node: everything about a deployment's nodes that is the same for all of them.

use std::sync::Arc;

use failsoft_core::Tier;
use failsoft_core::circuit::CircuitSettings;

use super::View;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::node::{Leads, Node, NodeOptions, Reads};
use crate::settings::{NodeAddress, Security};
use crate::tls::ClientTls;

/// Makes the nodes of one deployment.
pub(crate) struct Maker {
    /// What is the same for all: the address is that of a seed.
    pub(crate) template: NodeOptions,
    /// What TLS is made with, for the nodes that are spoken to over it.
    pub(crate) tls: Option<Arc<ClientTls>>,
    /// When a node counts as sick.
    pub(crate) circuit: CircuitSettings,
    pub(crate) clock: Clock,
    /// What is told before a new view is gone by, where nodes are written to.
    pub(crate) journal: Option<Arc<Journal>>,
    /// How many threads have connections of their own.
    pub(crate) workers: usize,
}

impl Maker {
    /// How the node at `address` is spoken to; `reads` says whether a replica there may answer.
    pub(crate) fn options(&self, address: &NodeAddress, reads: Reads, leads: Leads) -> NodeOptions {
        let tls = self.tls.as_ref().filter(|_| address.security() == Security::Tls);
        NodeOptions { address: address.clone(), tls: tls.cloned(), reads, leads, ..self.template.clone() }
    }

    /// The node at `address` in `tier`: that of a view before if it is the same, with its connections and its circuit.
    pub(crate) fn node<'v>(
        &self,
        tier: Tier,
        address: &NodeAddress,
        reads: Reads,
        leads: Leads,
        before: impl IntoIterator<Item = &'v View>,
    ) -> Arc<Node> {
        let options = self.options(address, reads, leads);
        let same =
            |node: &&Arc<Node>| node.tier() == tier && *node.options() == options && *node.circuit() == self.circuit;
        let known = before.into_iter().flat_map(|view| view.nodes()).find(same).cloned();
        known.unwrap_or_else(|| Arc::new(Node::new(tier, options, self.circuit.clone(), self.clock, self.workers)))
    }
}
