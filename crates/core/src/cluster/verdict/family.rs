//! Whose word concerns this cluster.
//!
//! An address may be given to another cluster's node overnight, and its map would send every key to strangers. So as long
//! as anybody speaks who knows a node of the last map, only such are heard; and where there is no last map, all have to
//! know each other.

use std::collections::BTreeSet;

use super::Disbelief;
use crate::cluster::{Layout, NodeId, Witness};

/// The witnesses of the cluster that `before` is a map of.
pub(super) fn of<'w>(witnesses: &'w [Witness], before: Option<&Layout>) -> Result<Vec<&'w Witness>, Disbelief> {
    let known = before.into_iter().flat_map(Layout::members).map(|member| member.id).collect();
    let kin = witnesses.iter().filter(|witness| knows_any_of(witness, &known)).collect::<Vec<_>>();
    if !kin.is_empty() {
        return Ok(kin);
    }
    match witnesses.iter().find(|witness| witness.sees_majority()) {
        Some(first) => all_kin_of(first, witnesses),
        None if witnesses.is_empty() => Err(Disbelief::NobodySpoke),
        None => Ok(witnesses.iter().collect()),
    }
}

/// All who know a node that `first` knows. Others may be there only if they see no majority of anything: a node that has
/// just been reset knows none but itself.
fn all_kin_of<'w>(first: &Witness, witnesses: &'w [Witness]) -> Result<Vec<&'w Witness>, Disbelief> {
    let known = first.known().collect();
    let (kin, strangers): (Vec<_>, Vec<_>) = witnesses.iter().partition(|witness| knows_any_of(witness, &known));
    match strangers.into_iter().find(|witness| witness.sees_majority()) {
        Some(stranger) => Err(Disbelief::DifferentClusters { one: first.from.clone(), other: stranger.from.clone() }),
        None => Ok(kin),
    }
}

fn knows_any_of(witness: &Witness, known: &BTreeSet<NodeId>) -> bool {
    witness.known().any(|id| known.contains(&id))
}
