//! What a listener asks for, and what it is told: confirmations in Redis' words, as if all its channels were in one place.

use std::collections::BTreeSet;

use failsoft_core::outcome::Silence;
use failsoft_resp::encode;
use failsoft_resp::pubsub::{self, Channels};

use super::ear::Said;
use super::hall::Hall;
use super::subscriptions::Subscriptions;
use super::unheard::{Deaf, Unheard};
use super::{Order, Wish};

/// Bytes of channels' names, with what they cost here, that one listener may listen to: they are remembered, so that they
/// can be subscribed to again.
const MOST_BYTES: usize = 4 << 20;

impl Hall {
    /// What the listener is told.
    pub(super) async fn carry_out(&mut self, order: Order) -> Result<Vec<u8>, Deaf> {
        let Order { wish, channels, names, .. } = order;
        match wish {
            Wish::Listen => self.begin(channels, &names).await,
            Wish::Leave => self.end(channels, &names).await,
            Wish::LeaveAll => {
                let names: Vec<_> = self.held().flat_map(|held| held.of(channels)).cloned().collect();
                self.end(channels, &names).await
            }
        }
    }

    async fn begin(&mut self, channels: Channels, names: &[Box<[u8]>]) -> Result<Vec<u8>, Deaf> {
        let new: BTreeSet<_> = names.iter().filter(|name| !self.holds(channels, name)).cloned().collect();
        let asked: Vec<_> = new.iter().cloned().collect();
        if self.held().map(Subscriptions::bytes).sum::<usize>() + Subscriptions::cost(&asked) > MOST_BYTES {
            return Ok(too_many());
        }
        let before = self.total(channels);
        let since = match self.subscribe(channels, &asked).await {
            Ok(since) => since,
            Err(Unheard::Deaf) => return Err(Deaf),
            Err(Unheard::Away(_)) if self.is_steadfast() && self.are_news(&asked) => {
                asked.iter().for_each(|name| self.missing.insert(channels, name));
                self.put_off();
                Vec::new()
            }
            Err(Unheard::Refused(told) | Unheard::Away(told)) => return Ok(told),
        };
        let mut told = self.confirm_begun(channels, names, new, before);
        told.extend(since);
        Ok(told)
    }

    fn confirm_begun(
        &self,
        channels: Channels,
        names: &[Box<[u8]>],
        mut new: BTreeSet<Box<[u8]>>,
        before: usize,
    ) -> Vec<u8> {
        let (mut told, mut total) = (Vec::new(), before);
        for name in names {
            total += usize::from(new.remove(name));
            pubsub::confirmation(&mut told, channels.subscribe(), Some(name), total, self.protocol);
        }
        told
    }

    async fn end(&mut self, channels: Channels, names: &[Box<[u8]>]) -> Result<Vec<u8>, Deaf> {
        let mut held: BTreeSet<_> = names.iter().filter(|name| self.holds(channels, name)).cloned().collect();
        let (mut told, mut total) = (Vec::new(), self.total(channels));
        for index in (0..self.ears.len()).rev() {
            self.end_at(index, channels, names).await?;
        }
        for name in names {
            self.missing.remove(channels, name);
            total -= usize::from(held.remove(name));
            pubsub::confirmation(&mut told, channels.unsubscribe(), Some(name), total, self.protocol);
        }
        if names.is_empty() {
            pubsub::confirmation(&mut told, channels.unsubscribe(), None, total, self.protocol);
        }
        Ok(told)
    }

    async fn end_at(&mut self, index: usize, channels: Channels, names: &[Box<[u8]>]) -> Result<(), Deaf> {
        let ear = &mut self.ears[index];
        let own: Vec<_> = names.iter().filter(|name| ear.has.remove(channels, name)).cloned().collect();
        if own.is_empty() {
            return Ok(());
        }
        let said = match ear.ask(channels.unsubscribe(), &own, self.context.now()).await {
            Ok(said) => said,
            Err(silence) => return self.lose(index, silence),
        };
        let is_refused = said.iter().any(|word| matches!(word, Said::Refused(_)));
        let said = said.into_iter().filter(|word| !matches!(word, Said::Refused(_))).collect();
        self.take(index, said)?;
        // What it goes on sending nobody has asked for.
        if is_refused { self.lose(index, Silence::ProtocolViolation) } else { Ok(()) }
    }

    fn holds(&self, channels: Channels, name: &[u8]) -> bool {
        self.held().any(|held| held.contains(channels, name))
    }

    /// Whether these are all of invalidation routes.
    fn are_news(&self, names: &[Box<[u8]>]) -> bool {
        names.iter().all(|name| self.context.world.gap_message(name).is_some())
    }
}

fn too_many() -> Vec<u8> {
    let mut told = Vec::new();
    encode::error(
        &mut told,
        &format!("ERR the channels of one client take at most {MOST_BYTES} bytes of failsoft's memory"),
    );
    told
}
