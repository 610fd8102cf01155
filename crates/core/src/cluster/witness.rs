//! A node that has been asked how its cluster is, and what it said.
//!
//! It is believed only if it can see the others: a primary on the wrong side of a split has an old map, in which it is
//! still a primary. What the node itself calls the state of the cluster is no substitute: that is `fail` also where all is
//! well but for a slot that nobody owns.

use super::info::{ClusterInfo, ClusterState};
use super::{Condition, Endpoint, NodeId, Sighting, Unreadable};

/// What one node says when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Where it was asked.
    pub from: Endpoint,
    /// Whether it serves keys.
    pub state: ClusterState,
    /// The highest epoch that it has heard of.
    pub current_epoch: u64,
    /// The epoch of its own map, or of its primary's.
    pub my_epoch: u64,
    /// The nodes that it knows, itself among them.
    pub members: Vec<Sighting>,
}

impl Witness {
    /// Puts together what the node at `from` answered to `CLUSTER INFO` and `CLUSTER NODES`.
    ///
    /// # Errors
    /// What no honest node answers.
    pub fn read(from: Endpoint, info: &[u8], nodes: &[u8]) -> Result<Self, Unreadable> {
        let ClusterInfo { state, current_epoch, my_epoch, .. } = ClusterInfo::parse(info)?;
        let members = Sighting::parse_lines(nodes, &from)?;
        Ok(Self { from, state, current_epoch, my_epoch, members })
    }

    /// Whether it sees more than half of the primaries that own slots, itself included if it is one.
    pub fn sees_majority(&self) -> bool {
        let voters = || self.members.iter().filter(|member| member.has_a_vote());
        let sees = |member: &&Sighting| member.is_self || member.condition == Condition::Well && member.link_up;
        voters().filter(sees).count() * 2 > voters().count()
    }

    /// What it says of itself. There is nothing only if it was not read from a node's answer.
    pub fn itself(&self) -> Option<&Sighting> {
        self.members.iter().find(|member| member.is_self)
    }

    /// What it says of the node of that name.
    pub fn member(&self, id: NodeId) -> Option<&Sighting> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The names that last: those of nodes that are only being met do not.
    pub(super) fn known(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().filter(|member| member.condition != Condition::Handshake).map(|member| member.id)
    }
}
