//! Who is in the cluster, where, and whom each follows.
//!
//! Of what several say of one node the latest is taken: that of the highest configuration epoch.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::owners::Owners;
use crate::cluster::{Condition, Endpoint, MAX_MEMBERS, NodeId, Role, Sighting, Witness};

/// The latest that has been said of each node.
pub(super) struct Roll<'w> {
    members: BTreeMap<NodeId, &'w Sighting>,
    /// Where each is, of those whose place anybody knows.
    endpoints: BTreeMap<NodeId, &'w Endpoint>,
    /// The primary at whose shard each replica hangs.
    roots: BTreeMap<NodeId, NodeId>,
}

impl<'w> Roll<'w> {
    /// Of a cluster in which `owners` own slots, and are therefore primaries whatever somebody says.
    pub(super) fn of(leaders: &[&'w Witness], owners: &Owners) -> Self {
        let mut roll = Self { members: BTreeMap::new(), endpoints: BTreeMap::new(), roots: BTreeMap::new() };
        leaders.iter().flat_map(|leader| &leader.members).for_each(|member| roll.note(member));
        roll.roots = roll.members.keys().filter_map(|id| Some((*id, roll.root_of(*id, owners)?))).collect();
        roll
    }

    fn note(&mut self, member: &'w Sighting) {
        match self.members.entry(member.id) {
            Entry::Vacant(place) => {
                place.insert(member);
            }
            Entry::Occupied(mut place) if place.get().config_epoch < member.config_epoch => {
                place.insert(member);
            }
            Entry::Occupied(_) => {}
        }
        if let (Some(endpoint), false) = (&member.endpoint, is_nowhere(member)) {
            self.endpoints.entry(member.id).or_insert(endpoint);
        }
    }

    /// Where the node is, if it can be asked anything.
    pub(super) fn endpoint(&self, id: NodeId) -> Option<&Endpoint> {
        self.endpoints.get(&id).copied()
    }

    /// The replicas of `primary`, and theirs.
    pub(super) fn replicas_of(&self, primary: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let replicas = self.roots.iter().filter(move |(id, root)| **root == primary && **id != primary);
        replicas.map(|(id, _)| *id)
    }

    /// Primaries that own nothing, and that nobody doubts to be there.
    pub(super) fn spare<'r>(&'r self, owners: &'r Owners) -> impl Iterator<Item = (NodeId, &'w Endpoint)> + 'r {
        let idle = self.members.values().filter(|member| {
            member.role == Role::Primary
                && member.condition == Condition::Well
                && (member.link_up || member.is_self)
                && !owners.contains_key(&member.id)
        });
        idle.filter_map(|member| Some((member.id, *self.endpoints.get(&member.id)?)))
    }

    /// Follows a replica to the primary; replicas that follow each other in a ring have none.
    fn root_of(&self, mut id: NodeId, owners: &Owners) -> Option<NodeId> {
        for _ in 0..MAX_MEMBERS {
            if owners.contains_key(&id) {
                return Some(id);
            }
            match self.members.get(&id)?.role {
                Role::Primary => return Some(id),
                Role::Replica { of } => id = of,
                Role::Undecided => return None,
            }
        }
        None
    }
}

fn is_nowhere(member: &Sighting) -> bool {
    match member.condition {
        Condition::Handshake | Condition::NoAddress => true,
        Condition::Well | Condition::Suspected | Condition::Failed => false,
    }
}
