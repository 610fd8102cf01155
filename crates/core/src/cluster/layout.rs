//! The map of a cluster as far as it is believed: shards, who is in them, and how far each may be trusted.
//!
//! Only what can serve is in it: nodes that are being met or that nobody knows the address of are left out. Primaries
//! without slots are no shards, but stand by: a slot on its way to one of them has requests sent there before it is the
//! owner.

use std::ops::RangeInclusive;

use super::{Endpoint, NodeId, Slot, ranges};

/// The map of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Its shards, by their first slot.
    pub shards: Vec<ShardLayout>,
    /// Primaries that are well and own no slots, by name.
    pub spare: Vec<MemberLayout>,
}

/// A primary with its replicas, and the slots that are theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLayout {
    /// The owner of the slots; `None` if nobody knows where it is.
    pub primary: Option<MemberLayout>,
    /// Its replicas, and theirs, by name.
    pub replicas: Vec<MemberLayout>,
    /// The slots, of which there is at least one.
    pub slots: Vec<RangeInclusive<Slot>>,
}

/// A node of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLayout {
    /// Its name for life.
    pub id: NodeId,
    /// Where it is.
    pub endpoint: Endpoint,
    /// How far it may be trusted to be what the map says.
    pub standing: Standing,
}

/// How far a node may be trusted to be what the map says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nothing speaks against it.
    Sound,
    /// The map says what it is; it has not said so itself, or says otherwise.
    Unproven,
    /// It does not see a majority of the primaries: its cluster may go on without it.
    Minority,
    /// The majority says that it is down.
    Failed,
}

impl Standing {
    /// The name used in logs, metric labels and `explain`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Unproven => "unproven",
            Self::Minority => "minority",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Layout {
    /// The shard that owns `slot`, if one does.
    pub fn shard_of(&self, slot: Slot) -> Option<&ShardLayout> {
        self.shards.iter().find(|shard| ranges::contain(&shard.slots, slot))
    }

    /// All nodes, shard by shard, the primary of each first, then those that stand by.
    pub fn members(&self) -> impl Iterator<Item = &MemberLayout> {
        self.shards.iter().flat_map(|shard| shard.primary.iter().chain(&shard.replicas)).chain(&self.spare)
    }

    /// How many slots somebody owns.
    pub fn slots_assigned(&self) -> usize {
        self.shards.iter().map(|shard| ranges::count(&shard.slots)).sum()
    }

    /// How many slots somebody owns who is [`Sound`](Standing::Sound).
    pub fn slots_ok(&self) -> usize {
        let is_sound =
            |shard: &&ShardLayout| shard.primary.as_ref().is_some_and(|primary| primary.standing == Standing::Sound);
        self.shards.iter().filter(is_sound).map(|shard| ranges::count(&shard.slots)).sum()
    }
}
