//! What is believed of a deployment at one moment: its shards, their nodes, and who owns which slot.
//!
//! A view never changes: what is learned makes a new one, which is swapped in whole. A request sees one view from its
//! beginning to its end unless it is sent elsewhere; a client takes up a new view when nothing of it is under way, so that
//! its commands on one key are never divided between an old owner and a new one.
//!
//! A process that serves in two tiers (as primary of one view, as replica of the next) is two [`Node`]s: their
//! connections are in different states, and what one has seen says little about the other.

use std::ops::RangeInclusive;
use std::sync::Arc;

use failsoft_core::cluster::{Slot, Standing, ranges};
use failsoft_core::outcome::Failure;
use failsoft_core::request::{Barred, Grant, Manner};
use failsoft_core::{Tier, Time};

use super::{Moved, Place};
use crate::node::Node;
use crate::settings::NodeAddress;

/// What stands in the table of slots where nobody owns a slot.
const NOBODY: u16 = u16::MAX;

/// What is believed of a deployment at one moment.
pub struct View {
    version: u64,
    taken: Time,
    nodes: Box<[Arc<Node>]>,
    shards: Box<[Shard]>,
    /// Primaries that own no slots: asked only what is sent to them.
    spare: Box<[u16]>,
    /// Which shard owns each slot; without it, the only shard owns everything.
    slots: Option<Box<[u16; Slot::COUNT]>>,
}

/// A primary with its replicas.
pub struct Shard {
    primary: Option<(u16, Standing)>,
    replicas: Box<[u16]>,
    slots: Box<[RangeInclusive<Slot>]>,
}

/// What a view is made of, a shard at a time.
#[derive(Default)]
pub(crate) struct Builder {
    nodes: Vec<Arc<Node>>,
    shards: Vec<Shard>,
    spare: Vec<u16>,
}

/// The views that a request goes by.
#[derive(Clone)]
pub struct Views {
    /// Of the deployment that failsoft stands before.
    pub redis: Arc<View>,
    /// Of the second one, if there is one.
    pub regional: Option<Arc<View>>,
    /// What has been told about slots of the first since.
    pub moved: Arc<Moved>,
}

impl Builder {
    /// Adds a shard.
    pub(crate) fn add(
        &mut self,
        primary: Option<(Arc<Node>, Standing)>,
        replicas: impl IntoIterator<Item = Arc<Node>>,
        slots: Vec<RangeInclusive<Slot>>,
    ) {
        let primary = primary.map(|(node, standing)| (self.index_of(node), standing));
        let replicas = replicas.into_iter().map(|node| self.index_of(node)).collect();
        self.shards.push(Shard { primary, replicas, slots: slots.into() });
    }

    /// Adds a primary that owns no slots.
    pub(crate) fn add_spare(&mut self, node: Arc<Node>) {
        let index = self.index_of(node);
        self.spare.push(index);
    }

    fn index_of(&mut self, node: Arc<Node>) -> u16 {
        self.nodes.push(node);
        (self.nodes.len() - 1) as u16
    }

    /// The view of a deployment whose only shard, if it is known, owns everything.
    pub(crate) fn whole(self, version: u64, taken: Time) -> View {
        debug_assert!(self.shards.len() <= 1, "several shards need a table of slots");
        self.view(version, taken, None)
    }

    /// The view of a deployment whose shards own slots.
    pub(crate) fn sharded(self, version: u64, taken: Time) -> View {
        let mut slots = Box::new([NOBODY; Slot::COUNT]);
        for (index, shard) in self.shards.iter().enumerate() {
            ranges::slots(&shard.slots).for_each(|slot| slots[slot.index()] = index as u16);
        }
        self.view(version, taken, Some(slots))
    }

    fn view(self, version: u64, taken: Time, slots: Option<Box<[u16; Slot::COUNT]>>) -> View {
        let Self { nodes, shards, spare } = self;
        View { version, taken, nodes: nodes.into(), shards: shards.into(), spare: spare.into(), slots }
    }
}

#[cfg(test)]
impl View {
    /// Of a cluster of which nothing is known yet.
    pub(crate) fn unknown_cluster(taken: Time) -> Self {
        Builder::default().sharded(0, taken)
    }
}

impl View {
    /// Which view of its deployment this is: later ones have greater numbers.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When what it says was last heard.
    pub fn taken(&self) -> Time {
        self.taken
    }

    /// Whether keys are divided among shards by their slots.
    pub fn is_sharded(&self) -> bool {
        self.slots.is_some()
    }

    /// Every node, once for each tier that it serves in.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The node of a [`Grant`] that this view has given.
    pub fn node(&self, index: u16) -> &Arc<Node> {
        &self.nodes[usize::from(index)]
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Where `key` belongs.
    #[inline]
    pub fn place_of(&self, key: &[u8]) -> Place {
        if self.is_sharded() { Place::Slot(Slot::of(key)) } else { Place::Anywhere }
    }

    /// Whose `place` is. What belongs anywhere goes to the first shard that is well.
    #[inline]
    pub fn shard_of(&self, place: Place) -> Option<&Shard> {
        match (place, &self.slots) {
            (Place::Slot(slot), Some(slots)) => self.shards.get(usize::from(slots[slot.index()])),
            (Place::Slot(_), None) | (Place::Anywhere, None) => self.shards.first(),
            (Place::Anywhere, Some(_)) => {
                self.shards.iter().find(|shard| self.is_well(shard)).or_else(|| self.shards.first())
            }
        }
    }

    /// The primary of `shard`, if one is known.
    pub fn primary_of(&self, shard: &Shard) -> Option<&Arc<Node>> {
        shard.primary.map(|(index, _)| self.node(index))
    }

    /// The replicas of `shard`, as the deployment names them.
    pub fn replicas_of<'v>(&'v self, shard: &'v Shard) -> impl Iterator<Item = &'v Arc<Node>> {
        shard.replicas.iter().map(|index| self.node(*index))
    }

    /// All nodes of `shard`, the primary first.
    pub fn members_of<'v>(&'v self, shard: &'v Shard) -> impl Iterator<Item = &'v Arc<Node>> {
        self.primary_of(shard).into_iter().chain(self.replicas_of(shard))
    }

    /// The primary to which `place` belongs, whatever may be thought of it.
    pub fn primary(&self, place: Place) -> Option<&Arc<Node>> {
        self.primary_of(self.shard_of(place)?)
    }

    /// The primary to which `place` belongs, if it is believed to be one: it alone may be read as a primary, or written to.
    ///
    /// # Errors
    /// Why it is not.
    pub fn owner(&self, place: Place) -> Result<&Arc<Node>, Failure> {
        self.owner_of(place).map(|index| self.node(index))
    }

    /// Whether `node` is a primary that is believed to be one, whatever it owns.
    pub fn has_primary(&self, node: &Arc<Node>) -> bool {
        let believed = self.shards.iter().filter_map(|shard| shard.primary);
        let mut believed = believed.filter(|(_, standing)| *standing == Standing::Sound);
        believed.any(|(index, _)| Arc::ptr_eq(self.node(index), node))
    }

    /// The index of the primary at `address` if it is believed to be one, whether it owns slots or not.
    pub fn primary_at(&self, address: &NodeAddress) -> Option<u16> {
        let believed = |(index, standing): (u16, Standing)| (standing == Standing::Sound).then_some(index);
        let owners = self.shards.iter().filter_map(|shard| shard.primary.and_then(believed));
        owners.chain(self.spare.iter().copied()).find(|index| self.node(*index).options().address == *address)
    }

    /// Whether the primary of `shard` can be asked: it is believed, and its circuit is closed.
    pub fn is_well(&self, shard: &Shard) -> bool {
        shard
            .primary
            .is_some_and(|(index, standing)| standing == Standing::Sound && self.node(index).health().is_closed())
    }

    /// How many slots have an owner.
    pub fn slots_assigned(&self) -> usize {
        match &self.slots {
            Some(slots) => slots.iter().filter(|shard| **shard != NOBODY).count(),
            None if self.shards.is_empty() => 0,
            None => Slot::COUNT,
        }
    }

    /// How many slots have an owner that can be asked.
    pub fn slots_ok(&self) -> usize {
        let well = self.shards.iter().filter(|shard| self.is_well(shard));
        match &self.slots {
            Some(_) => well.map(|shard| ranges::count(&shard.slots)).sum(),
            None => well.count() * Slot::COUNT,
        }
    }

    /// Leave to ask the owner of `place`.
    #[inline]
    pub(crate) fn request_primary(&self, place: Place, now: Time) -> Result<Grant, Barred> {
        self.request(self.owner_of(place).map_err(barred)?, Manner::Plain, now)
    }

    /// The primary of `place`, if it is believed to be one.
    #[inline]
    pub(crate) fn owner_of(&self, place: Place) -> Result<u16, Failure> {
        match self.shard_of(place).and_then(|shard| shard.primary) {
            Some((node, Standing::Sound)) => Ok(node),
            Some((_, Standing::Minority)) => Err(Failure::Minority),
            Some((_, Standing::Unproven)) => Err(Failure::Unproven),
            Some((_, Standing::Failed)) => Err(Failure::DeclaredDown),
            None => Err(Failure::Unowned),
        }
    }

    /// Leave to ask one of the nodes.
    #[inline]
    pub(crate) fn request(&self, node: u16, manner: Manner, now: Time) -> Result<Grant, Barred> {
        let permit = self.node(node).request_permit(now)?;
        Ok(Grant { node, permit, manner })
    }
}

pub(super) fn barred(because: Failure) -> Barred {
    Barred { because, retry_at: Time::NEVER }
}

impl Shard {
    /// What is thought of its primary, if one is known.
    pub fn standing(&self) -> Option<Standing> {
        self.primary.map(|(_, standing)| standing)
    }

    /// Its replicas, as indexes of nodes.
    pub(super) fn replicas(&self) -> &[u16] {
        &self.replicas
    }

    /// The slots that it owns; none where there is only one shard.
    pub fn slots(&self) -> &[RangeInclusive<Slot>] {
        &self.slots
    }
}

impl Views {
    /// The view that a tier's nodes are in.
    #[inline]
    pub fn of(&self, tier: Tier) -> &Arc<View> {
        match (tier, &self.regional) {
            (Tier::Regional, Some(regional)) => regional,
            _ => &self.redis,
        }
    }

    /// Every node of both.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.redis.nodes().iter().chain(self.regional.iter().flat_map(|regional| regional.nodes()))
    }
}
