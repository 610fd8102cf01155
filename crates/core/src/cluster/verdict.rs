//! What is believed of a cluster, after several of its nodes have been asked.
//!
//! Three rules, in this order:
//!
//! 1. Only witnesses that see a majority of the primaries count. In a split the other side has an older map.
//! 2. Of those, only the ones that have heard of the highest epoch: after an election the others are late.
//! 3. Where these differ over a slot, the owner of the higher configuration epoch has it, which is how the nodes settle it
//!    among themselves; at equal epochs the map that more of them have. (A node that is importing a slot does not see
//!    it go to a promoted replica, so the epoch is asked slot by slot.)
//!
//! Then each node is judged: a map that says "primary" is enough to read it, not to write to it. Where nothing can be
//! believed the last map stays, for an old map that is corrected by redirections serves better than none.
//!
//! Source: Redis cluster specification, "Cluster current epoch", "Configuration epoch", "Hash slots configuration
//! propagation" and "UPDATE messages"; `clusterUpdateSlotsConfigWith` in `src/cluster.c`.

mod disbelief;
mod family;
mod owners;
mod roll;
mod standing;

use std::ops::RangeInclusive;

pub use self::disbelief::Disbelief;
use self::roll::Roll;
use self::standing::Bench;
use super::{Endpoint, Layout, MemberLayout, NodeId, ShardLayout, Slot, Standing, Witness};

/// What `witnesses` say of their cluster, of which `before` was believed last.
///
/// # Errors
/// Why none of it is believed: then `before` stays, as [`mark`] marks it.
pub fn believe(witnesses: &[Witness], before: Option<&Layout>) -> Result<Layout, Disbelief> {
    let family = family::of(witnesses, before)?;
    let leaders = leaders(&family)?;
    let owners = owners::of(&leaders);
    let roll = Roll::of(&leaders, &owners);
    let bench = Bench::of(&family, &leaders, before);
    let spare = roll.spare(&owners).map(|(id, endpoint)| sound(id, endpoint)).collect();
    let shards = owners.into_iter().map(|(owner, slots)| shard(owner, slots, &roll, &bench));
    let mut shards = shards.collect::<Vec<_>>();
    shards.sort_by_key(|shard| shard.slots.first().map(|range| *range.start()));
    Ok(Layout { shards, spare })
}

/// `before`, in which the nodes are marked that have said that they see no majority.
///
/// For when nothing new can be believed.
pub fn mark(before: &Layout, witnesses: &[Witness]) -> Layout {
    let mut layout = before.clone();
    let own = standing::own_words(witnesses.iter());
    let is_cut_off = |member: &&mut MemberLayout| own.get(&member.id).is_some_and(|own| !own.sees_majority());
    let members = layout.shards.iter_mut().flat_map(|shard| shard.primary.iter_mut().chain(&mut shard.replicas));
    members.filter(is_cut_off).for_each(|member| member.standing = Standing::Minority);
    layout
}

/// Those who see a majority and have heard of the highest epoch.
fn leaders<'w>(family: &[&'w Witness]) -> Result<Vec<&'w Witness>, Disbelief> {
    let believable = || family.iter().filter(|witness| witness.sees_majority());
    let Some(latest) = believable().map(|witness| witness.current_epoch).max() else {
        let owns = |witness: &&&Witness| witness.members.iter().any(|member| !member.slots.is_empty());
        return Err(if family.iter().any(|witness| owns(&witness)) {
            Disbelief::NoMajority
        } else {
            Disbelief::NoSlots
        });
    };
    Ok(believable().filter(|witness| witness.current_epoch == latest).copied().collect())
}

fn sound(id: NodeId, endpoint: &Endpoint) -> MemberLayout {
    MemberLayout { id, endpoint: endpoint.clone(), standing: Standing::Sound }
}

fn shard(owner: NodeId, slots: Vec<RangeInclusive<Slot>>, roll: &Roll<'_>, bench: &Bench<'_>) -> ShardLayout {
    let place = |id, standing| {
        let endpoint = roll.endpoint(id)?.clone();
        Some(MemberLayout { id, endpoint, standing })
    };
    let replicas = roll.replicas_of(owner).filter_map(|id| place(id, bench.standing_of_replica(id)));
    ShardLayout { primary: place(owner, bench.standing_of_primary(owner, &slots)), replicas: replicas.collect(), slots }
}

#[cfg(test)]
mod tests;
