//! Where channels are subscribed to, and how those are had back that are listened to nowhere.
//!
//! The first attempt after a loss is made at once; those that fail are followed by others at growing, jittered distances,
//! and so is a connection that is lost again before it has shown that it lasts: a Redis that closes every subscriber would
//! otherwise be besieged by all of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::cluster::Slot;
use failsoft_core::outcome::Silence;
use failsoft_core::refusal::Refusal;
use failsoft_core::{Outcome, Time};
use failsoft_resp::pubsub::{self, Channels};

use super::ear::{Ear, Said};
use super::hall::Hall;
use super::unheard::{Deaf, Unheard};
use crate::clock::dice;
use crate::node::{Backoff, Leave, Node, Speaker};
use crate::topology::{Hint, Place};

/// How often a channel is looked for at another node.
const MOST_HOPS: usize = 5;
/// How long it may take until it is known where a slot has gone.
const TO_LEARN: Duration = Duration::from_secs(2);
/// Channels subscribed to again in one command.
const AT_ONCE: usize = 1_000;

/// When to try again.
#[derive(Debug, Default)]
pub(super) struct Pace {
    backoff: Backoff,
    due: Time,
    /// The last connection was lost before it had shown that it lasts.
    is_doubtful: bool,
}

impl Pace {
    /// Not before then.
    pub(super) fn due(&self) -> Time {
        self.due
    }

    /// A connection has been there for a while.
    pub(super) fn handle_alive(&mut self) {
        self.is_doubtful = false;
        self.backoff.handle_success();
    }

    /// A connection has been lost.
    pub(super) fn handle_lost(&mut self, now: Time, dice: u64) {
        if std::mem::replace(&mut self.is_doubtful, true) {
            self.handle_failure(now, dice);
        } else {
            self.due = now;
        }
    }

    /// Nothing could be had back.
    pub(super) fn handle_failure(&mut self, now: Time, dice: u64) {
        self.due = now + self.backoff.handle_failure(dice);
    }
}

impl Hall {
    /// Subscribes anew to what is listened to nowhere, if it is time to.
    pub(super) async fn regain(&mut self) -> Result<(), Deaf> {
        if self.missing.is_empty() || self.context.now() < self.pace.due() {
            return Ok(());
        }
        while let Some((channels, names)) = self.next_missing() {
            match self.subscribe(channels, &names).await {
                Ok(since) => {
                    self.tell_gap(channels, &names);
                    self.audience.tell(&since);
                }
                Err(Unheard::Away(_)) if self.is_steadfast() => {
                    self.put_off();
                    return Ok(());
                }
                Err(Unheard::Away(_) | Unheard::Refused(_) | Unheard::Deaf) => return Err(Deaf),
            }
        }
        self.context.world.listening().regained.increment();
        Ok(())
    }

    /// The next attempt waits.
    pub(super) fn put_off(&mut self) {
        self.pace.handle_failure(self.context.now(), dice());
    }

    /// Some channels that can be subscribed to in one command.
    fn next_missing(&self) -> Option<(Channels, Vec<Box<[u8]>>)> {
        let channels = Channels::ALL.into_iter().find(|channels| !self.missing.of(*channels).is_empty())?;
        let names = self.missing.of(channels);
        let first = self.place_of(channels, names.first()?);
        let together = names.iter().filter(|name| self.place_of(channels, name) == first);
        Some((channels, together.take(AT_ONCE).cloned().collect()))
    }

    fn tell_gap(&self, channels: Channels, names: &[Box<[u8]>]) {
        let (world, mut told) = (&self.context.world, Vec::new());
        for (name, gap) in names.iter().filter_map(|name| Some((name, world.gap_message(name)?))) {
            pubsub::message(&mut told, channels, name, gap, self.protocol);
            world.listening().gaps.increment();
        }
        self.audience.tell(&told);
    }

    /// Subscribes to channels that lie together. Returns the messages that have come since they were confirmed.
    pub(super) async fn subscribe(&mut self, channels: Channels, names: &[Box<[u8]>]) -> Result<Vec<u8>, Unheard> {
        let Some(first) = names.first() else {
            return Ok(Vec::new());
        };
        for _ in 0..MOST_HOPS {
            let index = self.ear_at(self.place_of(channels, first)).await?;
            let said = match self.ears[index].ask(channels.subscribe(), names, self.context.now()).await {
                Ok(said) => said,
                Err(silence) => {
                    self.lose(index, silence)?;
                    return Err(Unheard::silent(silence));
                }
            };
            match self.take_subscribed(index, channels, names, said)? {
                Subscribed::Here(since) => return Ok(since),
                Subscribed::Elsewhere => self.learn().await,
                Subscribed::Nowhere(told) => return Err(Unheard::refused(told)),
            }
        }
        Err(Unheard::nobody(Outcome::Refused(Refusal::Moved)))
    }

    fn take_subscribed(
        &mut self,
        index: usize,
        channels: Channels,
        names: &[Box<[u8]>],
        said: Vec<Said>,
    ) -> Result<Subscribed, Deaf> {
        let (mut since, mut refusal, mut others) = (None, None, Vec::new());
        let known: BTreeSet<&Box<[u8]>> = names.iter().collect();
        for word in said {
            match (word, &mut since) {
                (Said::Refused(told), _) => refusal = Some(told),
                (Said::Confirmed(_, name), since) if known.contains(&name) => {
                    self.ears[index].has.insert(channels, &name);
                    self.missing.remove(channels, &name);
                    since.get_or_insert_with(Vec::new);
                }
                (Said::Message(message), Some(since)) => since.extend(message),
                (word @ (Said::Message(_) | Said::Confirmed(..) | Said::Alive), _) => others.push(word),
            }
        }
        self.take(index, others)?;
        Ok(match refusal {
            Some(told) if Unheard::is_elsewhere(&told) => Subscribed::Elsewhere,
            Some(told) => Subscribed::Nowhere(told),
            None => Subscribed::Here(since.unwrap_or_default()),
        })
    }

    /// The connection to the owner of `place`.
    async fn ear_at(&mut self, place: Place) -> Result<usize, Unheard> {
        let owner = self.owner(place)?;
        if let Some(index) = self.ears.iter().position(|ear| Arc::ptr_eq(ear.line.node(), &owner)) {
            return Ok(index);
        }
        let (speaker, leave) = (Speaker::Failsoft, Leave::OfCircuit);
        let line = owner.dedicate(self.context.worker, self.protocol, speaker, leave).await;
        let line = line.map_err(|undedicated| Unheard::undedicated(undedicated, self.context.now()))?;
        self.ears.push(Ear::new(line, self.context.now()));
        Ok(self.ears.len() - 1)
    }

    fn owner(&self, place: Place) -> Result<Arc<Node>, Unheard> {
        let views = self.context.world.views();
        let owner = views.redis.owner(place).cloned();
        owner.map_err(|because| Unheard::nobody(Outcome::Failed(because)))
    }

    fn place_of(&self, channels: Channels, name: &[u8]) -> Place {
        match channels {
            Channels::Sharded if self.context.views.redis.is_sharded() => Place::Slot(Slot::of(name)),
            Channels::Named | Channels::Patterns | Channels::Sharded => Place::Anywhere,
        }
    }

    async fn learn(&self) {
        let deployment = self.context.world.deployment();
        if let Some(look) = deployment.hint(Hint::Moved) {
            deployment.learned(look, TO_LEARN).await;
        }
    }

    /// What a node tells that has been demoted may be missing what is published at its successor.
    pub(super) fn leave_who_is_no_primary(&mut self) -> Result<(), Deaf> {
        let views = self.context.world.views();
        for index in (0..self.ears.len()).rev() {
            if !views.redis.has_primary(self.ears[index].line.node()) && self.is_steadfast() {
                self.lose(index, Silence::ConnectionLost)?;
            }
        }
        Ok(())
    }
}

/// What came of asking one node.
enum Subscribed {
    /// It is heard there; these messages have come since.
    Here(Vec<u8>),
    /// Another node is to be asked.
    Elsewhere,
    /// It will not be heard, in these words.
    Nowhere(Vec<u8>),
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(10_000);

    #[test]
    fn after_a_loss_it_is_tried_at_once_and_after_another_not_before_it_is_time() {
        let mut pace = Pace::default();
        pace.handle_lost(NOW, 7);
        assert_eq!(pace.due(), NOW);
        pace.handle_lost(NOW, 7);
        assert!(pace.due() > NOW);
        pace.handle_alive();
        pace.handle_lost(NOW, 7);
        assert_eq!(pace.due(), NOW);
    }
}
