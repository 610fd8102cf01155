//! What is believed of a watched primary, after several sentinels have been asked.
//!
//! 1. Only those are heard who watch the deployment that was believed in last, or, at first, one and the same: addresses
//!    are given to others overnight, and half the world's primaries are called `mymaster`.
//! 2. A primary is believed if more than half of all sentinels name it: of those in the settings or of those that the
//!    witnesses know of, whichever are more. Of two it would be the one of the higher epoch. A sentinel that is reached by
//!    two addresses has one voice.
//! 3. A replica may be read if more than half of those who agree on the primary, as far as they know the replica, reach it.
//!
//! Where nothing can be believed the last answer stays.

mod family;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::family::Mark;
use super::{Condition, Disbelief, ReplicaSighting, SentinelSighting, SentinelWitness, Watch, Word};
use crate::cluster::{Endpoint, NodeId};

/// A primary and its replicas, as a majority of the sentinels see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelLayout {
    /// Where the primary is.
    pub primary: Endpoint,
    /// Whether more than half of those who agree on it reach it.
    pub condition: Condition,
    /// Raised by every failover.
    pub config_epoch: u64,
    /// The replicas that may be read, the one to be asked first in front.
    pub replicas: Vec<ReplicaLayout>,
    /// By what its sentinels and nodes are known again.
    marks: BTreeSet<Mark>,
}

/// A replica that may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaLayout {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The lower, the sooner it is promoted; 0 is never.
    pub priority: u32,
}

/// A witness who watches something.
type Watching<'w> = (&'w SentinelWitness, &'w Watch);

/// What `witnesses` say of the primary they were asked about; `seeds` sentinels are named in the settings, and `before` was
/// believed last.
///
/// # Errors
/// Why none of it is believed: then `before` stays.
pub fn believe(
    witnesses: &[SentinelWitness],
    seeds: usize,
    before: Option<&SentinelLayout>,
) -> Result<SentinelLayout, Disbelief> {
    let family = family::of(&distinct(witnesses), before)?;
    if family.is_empty() {
        return Err(nobody(witnesses));
    }
    let all = voters(&family).max(seeds);
    let mut camps: BTreeMap<&Endpoint, Vec<Watching<'_>>> = BTreeMap::new();
    family.iter().for_each(|watching| camps.entry(&watching.1.primary).or_default().push(*watching));
    let largest = camps.values().map(Vec::len).max().unwrap_or(0);
    let agreed = camps.into_values().filter(|camp| camp.len() * 2 > all).max_by_key(|camp| epoch(camp));
    match agreed {
        Some(camp) => Ok(layout(&camp, family::marks(&family))),
        None => Err(Disbelief::NoMajority { agree: largest, of: all }),
    }
}

/// The sentinels that `witnesses` know of and that are not among them: whom to ask next, those in front whom somebody
/// reaches. A sentinel that misses all others may be the one that is cut off, so those are asked too.
pub fn yet_unheard(witnesses: &[SentinelWitness]) -> Vec<Endpoint> {
    let heard: BTreeSet<_> = witnesses.iter().filter_map(|witness| witness.id).collect();
    let asked: BTreeSet<_> = witnesses.iter().map(|witness| &witness.from).collect();
    let known = witnesses.iter().filter_map(watching).flat_map(|(_, watch)| &watch.sentinels);
    let is_heard = |sentinel: &&SentinelSighting| {
        sentinel.id.is_some_and(|id| heard.contains(&id)) || asked.contains(&sentinel.endpoint)
    };
    let mut unheard: BTreeMap<&Endpoint, Condition> = BTreeMap::new();
    for sentinel in known.filter(|sentinel| !is_heard(sentinel)) {
        let best = unheard.entry(&sentinel.endpoint).or_insert(sentinel.condition);
        *best = sentinel.condition.min(*best);
    }
    let mut unheard: Vec<_> = unheard.into_iter().collect();
    unheard.sort_by_key(|(_, condition)| *condition);
    unheard.into_iter().map(|(endpoint, _)| endpoint.clone()).collect()
}

fn watching(witness: &SentinelWitness) -> Option<Watching<'_>> {
    match &witness.word {
        Word::Watching(watch) => Some((witness, watch)),
        Word::NoSuchName | Word::NoSentinel => None,
    }
}

/// Each sentinel once. One that does not tell its name is known by the others that it lists: no two that know each other
/// list the same.
fn distinct(witnesses: &[SentinelWitness]) -> Vec<Watching<'_>> {
    let mut voices = BTreeMap::new();
    for (witness, watch) in witnesses.iter().filter_map(watching) {
        let others = watch.sentinels.iter().map(|other| &other.endpoint);
        let others = if witness.id.is_some() { BTreeSet::new() } else { others.collect() };
        voices.entry((witness.id, others)).or_insert((witness, watch));
    }
    voices.into_values().collect()
}

fn nobody(witnesses: &[SentinelWitness]) -> Disbelief {
    let no_sentinel = witnesses.iter().find(|witness| witness.word == Word::NoSentinel);
    let knows_no_name = witnesses.iter().any(|witness| witness.word == Word::NoSuchName);
    match no_sentinel {
        _ if knows_no_name => Disbelief::UnknownName,
        Some(witness) => Disbelief::NoSentinel { at: witness.from.clone() },
        None => Disbelief::NobodySpoke,
    }
}

/// How many sentinels there are, as far as any of these knows.
fn voters(family: &[Watching<'_>]) -> usize {
    let names = |(witness, watch): &Watching<'_>| {
        let own = voter(witness.id, &witness.from);
        let others = watch.sentinels.iter().map(|other| voter(other.id, &other.endpoint));
        others.chain([own]).collect::<Vec<_>>()
    };
    family.iter().flat_map(names).collect::<BTreeSet<_>>().len()
}

fn voter(id: Option<NodeId>, endpoint: &Endpoint) -> (Option<NodeId>, Option<Endpoint>) {
    (id, if id.is_some() { None } else { Some(endpoint.clone()) })
}

fn epoch(camp: &[Watching<'_>]) -> u64 {
    camp.iter().map(|(_, watch)| watch.config_epoch).max().unwrap_or(0)
}

fn layout(camp: &[Watching<'_>], marks: BTreeSet<Mark>) -> SentinelLayout {
    let primary = camp[0].1.primary.clone();
    SentinelLayout {
        condition: common_condition(camp.iter().map(|(_, watch)| watch.condition)),
        config_epoch: epoch(camp),
        replicas: replicas(camp, &primary),
        primary,
        marks,
    }
}

/// [`Condition::Well`] only if more than half find it so, and not worse than more than half find it.
fn common_condition(conditions: impl Iterator<Item = Condition>) -> Condition {
    let mut conditions: Vec<_> = conditions.collect();
    conditions.sort_unstable();
    conditions.get(conditions.len() / 2).copied().unwrap_or(Condition::Missed)
}

fn replicas(camp: &[Watching<'_>], primary: &Endpoint) -> Vec<ReplicaLayout> {
    let mut seen: BTreeMap<&Endpoint, Vec<&ReplicaSighting>> = BTreeMap::new();
    let sightings = camp.iter().flat_map(|(_, watch)| &watch.replicas).filter(|replica| replica.endpoint != *primary);
    sightings.for_each(|replica| seen.entry(&replica.endpoint).or_default().push(replica));
    let is_reached = |sightings: &Vec<&ReplicaSighting>| {
        common_condition(sightings.iter().map(|one| one.condition)) == Condition::Well
    };
    let mut usable: Vec<_> = seen.into_values().filter(is_reached).filter_map(latest).collect();
    usable.sort_by_key(|replica| (replica.priority == 0, replica.priority, Reverse(replica.offset)));
    usable
        .into_iter()
        .map(|replica| ReplicaLayout { endpoint: replica.endpoint.clone(), priority: replica.priority })
        .collect()
}

fn latest(sightings: Vec<&ReplicaSighting>) -> Option<&ReplicaSighting> {
    sightings.into_iter().max_by_key(|replica| replica.offset)
}

#[cfg(test)]
mod tests;
