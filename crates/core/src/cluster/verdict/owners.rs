//! Who owns each slot, where those who are believed differ.
//!
//! Maps that are the same are read once, so a thousand nodes of one mind cost as much as one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::cluster::{NodeId, Sighting, Slot, Witness, ranges};

/// Who owns slots, and which.
pub(super) type Owners = BTreeMap<NodeId, Vec<RangeInclusive<Slot>>>;

/// What `leaders` say together.
pub(super) fn of(leaders: &[&Witness]) -> Owners {
    let claims = claims(leaders);
    let mut owners = Owners::new();
    for slot in ranges::slots(&[Slot::FIRST..=Slot::LAST]) {
        if let Some(claim) = claims[slot.index()] {
            ranges::push(owners.entry(claim.owner).or_default(), slot);
        }
    }
    owners
}

/// The claim to each slot that stands, by the number of the slot.
fn claims(leaders: &[&Witness]) -> Vec<Option<Claim>> {
    let mut claims: Vec<Option<Claim>> = vec![None; Slot::COUNT];
    for owned in distinct_maps(leaders) {
        for member in owned {
            let claim = Claim { config_epoch: member.config_epoch, owner: member.id };
            ranges::slots(&member.slots).for_each(|slot| claim.contest(&mut claims[slot.index()]));
        }
    }
    claims
}

#[derive(Clone, Copy)]
struct Claim {
    config_epoch: u64,
    owner: NodeId,
}

impl Claim {
    /// Takes the place of a claim with a lower epoch; who comes first stays at equal epochs.
    fn contest(self, place: &mut Option<Self>) {
        if place.is_none_or(|holder| holder.config_epoch < self.config_epoch) {
            *place = Some(self);
        }
    }
}

/// Each map that a leader has, once; those that more of them have first.
fn distinct_maps<'w>(leaders: &[&'w Witness]) -> Vec<Vec<&'w Sighting>> {
    let mut maps: BTreeMap<_, (usize, Vec<&Sighting>)> = BTreeMap::new();
    for leader in leaders {
        let mut owners = leader.members.iter().filter(|member| !member.slots.is_empty()).collect::<Vec<_>>();
        owners.sort_by_key(|member| member.id);
        let map = owners.iter().map(|member| (member.id, member.config_epoch, bounds(member))).collect::<Vec<_>>();
        maps.entry(map).or_insert((0, owners)).0 += 1;
    }
    let mut maps = maps.into_values().collect::<Vec<_>>();
    maps.sort_by_key(|(votes, _)| Reverse(*votes));
    maps.into_iter().map(|(_, owners)| owners).collect()
}

/// The ranges in a form that has an order.
fn bounds(member: &Sighting) -> Vec<(Slot, Slot)> {
    member.slots.iter().map(|range| (*range.start(), *range.end())).collect()
}
