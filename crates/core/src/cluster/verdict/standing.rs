//! How far a node may be trusted to be what the map says.
//!
//! The majority's word that a node is down counts most, then the node's own word that it is cut off, then its word about
//! its role. Who has been sound stays so without a word: silence is what circuits are for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::cluster::{Condition, Layout, NodeId, Role, Sighting, Slot, Standing, Witness, ranges};

/// What a node's standing rests on.
pub(super) struct Bench<'w> {
    /// What each of the cluster said who spoke, the late and the cut off included.
    own: BTreeMap<NodeId, &'w Witness>,
    /// The nodes that most of those who are believed say are down.
    failed: BTreeSet<NodeId>,
    /// The primaries that were sound before.
    proven: BTreeSet<NodeId>,
}

impl<'w> Bench<'w> {
    pub(super) fn of(family: &[&'w Witness], leaders: &[&Witness], before: Option<&Layout>) -> Self {
        Self { own: own_words(family.iter().copied()), failed: failed(leaders), proven: proven(before) }
    }

    /// Of the primary that owns `slots`: it has to have said itself that it does, now or before.
    pub(super) fn standing_of_primary(&self, id: NodeId, slots: &[RangeInclusive<Slot>]) -> Standing {
        let agrees = |own: &Sighting| own.role == Role::Primary && ranges::overlap(&own.slots, slots);
        let when_silent = if self.proven.contains(&id) { Standing::Sound } else { Standing::Unproven };
        self.standing(id, agrees, when_silent)
    }

    /// Of a replica: it has to not have said that it is none. One that follows another by now is still a replica.
    pub(super) fn standing_of_replica(&self, id: NodeId) -> Standing {
        let agrees = |own: &Sighting| matches!(own.role, Role::Replica { .. });
        self.standing(id, agrees, Standing::Sound)
    }

    fn standing(&self, id: NodeId, agrees: impl Fn(&Sighting) -> bool, when_silent: Standing) -> Standing {
        if self.failed.contains(&id) {
            return Standing::Failed;
        }
        match self.own.get(&id) {
            Some(own) if !own.sees_majority() => Standing::Minority,
            Some(own) if own.itself().is_some_and(agrees) => Standing::Sound,
            Some(_) => Standing::Unproven,
            None => when_silent,
        }
    }
}

/// What each node has said that has spoken; of what one said twice the first.
pub(super) fn own_words<'w>(witnesses: impl Iterator<Item = &'w Witness>) -> BTreeMap<NodeId, &'w Witness> {
    let mut own = BTreeMap::new();
    for witness in witnesses {
        if let Some(itself) = witness.itself() {
            own.entry(itself.id).or_insert(witness);
        }
    }
    own
}

fn failed(leaders: &[&Witness]) -> BTreeSet<NodeId> {
    let mut votes = BTreeMap::<NodeId, usize>::new();
    let members = leaders.iter().flat_map(|leader| &leader.members);
    for member in members.filter(|member| member.condition == Condition::Failed) {
        *votes.entry(member.id).or_default() += 1;
    }
    votes.into_iter().filter(|(_, votes)| votes * 2 > leaders.len()).map(|(id, _)| id).collect()
}

fn proven(before: Option<&Layout>) -> BTreeSet<NodeId> {
    let shards = before.into_iter().flat_map(|before| &before.shards);
    let primaries = shards.filter_map(|shard| shard.primary.as_ref());
    primaries.filter(|primary| primary.standing == Standing::Sound).map(|primary| primary.id).collect()
}
