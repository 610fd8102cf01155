//! What was seen of a deployment in one look, before nodes are made of it.

use std::ops::RangeInclusive;

use failsoft_core::cluster::{Slot, Standing};

use super::address::Destination;

/// What was seen of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) shards: Vec<SeenShard>,
    /// Primaries without slots.
    pub(super) spare: Vec<Destination>,
}

/// A primary with its replicas, where they are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenShard {
    pub(super) primary: Option<(Destination, Standing)>,
    pub(super) replicas: Vec<Destination>,
    pub(super) slots: Vec<RangeInclusive<Slot>>,
}

impl Seen {
    /// Whether everything is as it should be, so that there is no hurry to look again.
    pub(super) fn is_sound(&self) -> bool {
        let sound = |shard: &SeenShard| matches!(shard.primary, Some((_, Standing::Sound)));
        !self.shards.is_empty() && self.shards.iter().all(sound)
    }
}
