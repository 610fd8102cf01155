//! Which replica of a shard a request asks.
//!
//! The core says who is fit and who comes first; here the circuits have their word, and nobody is asked twice by one
//! request. It takes no lock while the circuits are closed, and allocates nothing: with `read_from = "replica"` this is
//! the healthy path.

use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::outcome::Failure;
use failsoft_core::replication::{Fit, Presence, Unfit};
use failsoft_core::request::{Barred, Grant, Manner};

use super::Place;
use super::view::{Shard, View, barred};

#[cfg(test)]
mod tests;

/// Replicas of one shard that are chosen among; what more there are is not read from.
const MOST_REPLICAS: usize = 31;

/// Whom of a shard one request has asked: a bit for each of its replicas, and one for the primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked(u32);

/// What a request wants of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// How old its values may be.
    pub(crate) budget: Duration,
    /// Whether the primary is there, as far as the request has found out itself.
    pub(crate) presence: Presence,
}

impl Asked {
    const PRIMARY: usize = MOST_REPLICAS;

    fn has(self, place: usize) -> bool {
        self.0 & 1 << place != 0
    }

    fn note(&mut self, place: usize) {
        self.0 |= 1 << place;
    }
}

/// How a replica stands to its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// How old what it holds is at most, if that is known.
    pub age: Option<Duration>,
    /// Why it may not answer, if it may not.
    pub unfit: Option<Unfit>,
}

impl View {
    /// Leave to ask the best of the replicas of `place` that has not been asked.
    pub(crate) fn request_replica(
        &self,
        place: Place,
        wish: Wish,
        asked: &mut Asked,
        now: Time,
    ) -> Result<Grant, Barred> {
        let Some(shard) = self.shard_of(place) else { return Err(barred(Failure::Unowned)) };
        let presence = self.presence(shard, wish.presence);
        let mut passed = *asked;
        let mut denied = None;
        loop {
            match self.best(shard, passed, Wish { presence, ..wish }, now) {
                Err(unfit) => return Err(denied.unwrap_or_else(|| barred(Failure::Replica(unfit)))),
                Ok(place) => {
                    passed.note(place);
                    match self.request(shard.replicas()[place], Manner::Plain, now) {
                        Ok(grant) => {
                            asked.note(place);
                            return Ok(grant);
                        }
                        Err(barred) => denied = Some(barred),
                    }
                }
            }
        }
    }

    /// Leave to ask the primary of `place`, or else the best of its replicas, whoever has not been asked.
    pub(crate) fn request_any(&self, place: Place, wish: Wish, asked: &mut Asked, now: Time) -> Result<Grant, Barred> {
        if asked.has(Asked::PRIMARY) {
            return self.request_replica(place, Wish { presence: Presence::Lost, ..wish }, asked, now);
        }
        match self.request_primary(place, now) {
            Ok(grant) => {
                asked.note(Asked::PRIMARY);
                Ok(grant)
            }
            Err(denied) => self.request_replica(place, wish, asked, now).map_err(|barred| match barred.because {
                Failure::Replica(Unfit::Absent) => denied,
                _ => barred,
            }),
        }
    }

    /// Whether a replica of `place` would be asked now, for which nobody's leave is taken; if not, why.
    pub(crate) fn could_ask_replica(&self, place: Place, wish: Wish, now: Time) -> Result<(), Failure> {
        let shard = self.shard_of(place).ok_or(Failure::Unowned)?;
        let wish = Wish { presence: self.presence(shard, wish.presence), ..wish };
        let mut because = Failure::Replica(Unfit::Absent);
        for replica in shard.replicas() {
            match self.judge(shard, *replica, wish, now) {
                Ok(_) if !self.node(*replica).health().is_open() => return Ok(()),
                Ok(_) => because = Failure::CircuitOpen,
                Err(unfit) => because = Failure::Replica(unfit),
            }
        }
        Err(because)
    }

    /// How every node stands to its primary, as [`nodes`](Self::nodes) has them; `None` for primaries.
    pub fn measured(&self, budget: Duration, now: Time) -> Vec<Option<Measured>> {
        let mut measured = vec![None; self.nodes().len()];
        for shard in self.shards() {
            let presence = self.presence(shard, Presence::Well);
            for replica in shard.replicas() {
                let any = Wish { budget: Duration::MAX, presence: Presence::Lost };
                let age = self.judge(shard, *replica, any, now).ok().map(|fit| fit.age);
                let unfit = self.judge(shard, *replica, Wish { budget, presence }, now).err();
                measured[usize::from(*replica)] = Some(Measured { age, unfit });
            }
        }
        measured
    }

    fn presence(&self, shard: &Shard, found: Presence) -> Presence {
        if self.is_well(shard) { found } else { Presence::Lost }
    }

    /// The place among the shard's replicas of the one to be asked.
    fn best(&self, shard: &Shard, asked: Asked, wish: Wish, now: Time) -> Result<usize, Unfit> {
        let mut best: Result<(Fit, usize), Unfit> = Err(Unfit::Absent);
        for (place, replica) in shard.replicas().iter().enumerate().take(MOST_REPLICAS) {
            if asked.has(place) {
                continue;
            }
            best = match (best, self.judge(shard, *replica, wish, now)) {
                (Ok(best), Ok(fit)) => Ok(best.min((fit, place))),
                (Err(_), Ok(fit)) => Ok((fit, place)),
                (Ok(best), Err(_)) => Ok(best),
                (Err(worst), Err(unfit)) => Err(worst.max(unfit)),
            };
        }
        best.map(|(_, place)| place)
    }

    fn judge(&self, shard: &Shard, replica: u16, wish: Wish, now: Time) -> Result<Fit, Unfit> {
        let primary = self.primary_of(shard).map(|primary| primary.replication().known());
        let known = primary.as_deref().and_then(|known| known.as_deref());
        self.node(replica).replication().judge(known, wish.presence, wish.budget, now)
    }
}
