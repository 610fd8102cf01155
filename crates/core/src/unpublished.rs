//! Messages that could not be published: kept in their order until they can be, within bounds, and none lost without a trace.
//!
//! News that a copy has become wrong may come late and may come twice, but who listens must not go on believing that
//! there was none. So a message that has to go, because it is too old or because there is no room, leaves a *gap* behind:
//! the name of its channel, which is published as such before what is left. Only where even that cannot be remembered any
//! more is a message not taken, which is told to whoever publishes it.
//!
//! What is handed out stays until it is said to have been published, so that an attempt that fails costs nothing but a
//! repeat. Time comes as an argument; whose messages these are, and in which words they are sent, is not known here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::Time;

/// Channels of which it is remembered that something is missing.
pub const MOST_GAPS: usize = 1_024;
/// What one message or gap costs beyond its texts, rounded up.
const OVERHEAD: usize = 128;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub messages: usize,
    /// Bytes of messages and gaps, with what they cost here.
    pub bytes: usize,
    /// Beyond this age a message is not worth sending.
    pub keep_for: Duration,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// To whom it is told.
    pub reach: Reach,
    /// Its name.
    pub name: Arc<[u8]>,
}

/// To whom a message is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// To subscribers at every node.
    Everywhere,
    /// To subscribers at the shard that owns the channel's slot.
    Shard,
}

/// Something that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    number: u64,
    /// Where.
    pub channel: Channel,
    /// What; `None`: that something is missing.
    pub payload: Option<Arc<[u8]>>,
}

/// Why a message had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was too old.
    Age,
    /// There was no room.
    Overflow,
}

/// A message is not taken: there is no room for it, nor to remember what would have to go for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Messages that could not be published.
#[derive(Debug)]
pub struct Unpublished {
    bounds: Bounds,
    /// In the order of their numbers.
    messages: VecDeque<Message>,
    /// Under which number the latest loss in each channel was noted.
    gaps: BTreeMap<Channel, u64>,
    next: u64,
    bytes: usize,
    lost: [u64; 2],
}

#[derive(Debug)]
struct Message {
    number: u64,
    channel: Channel,
    payload: Arc<[u8]>,
    since: Time,
}

impl Unpublished {
    /// None so far.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, messages: VecDeque::new(), gaps: BTreeMap::new(), next: 0, bytes: 0, lost: [0; 2] }
    }

    /// Other bounds hold from here on; what is too much by them goes with the next message.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// A message could not be published.
    ///
    /// # Errors
    /// [`Full`]: it is not taken.
    pub fn handle_unpublished(&mut self, channel: Channel, payload: &[u8], now: Time) -> Result<(), Full> {
        self.drop_old(now);
        let cost = cost(&channel, payload);
        if !self.could_fit(cost) {
            return Err(Full);
        }
        while self.messages.len() >= self.bounds.messages || self.bytes + cost > self.bounds.bytes {
            self.drop_oldest(Loss::Overflow)?;
        }
        let number = self.take_number();
        self.bytes += cost;
        self.messages.push_back(Message { number, channel, payload: payload.into(), since: now });
        Ok(())
    }

    /// Up to `most` things that are to be published now, in this order, where it `may_be`; they stay until they have been.
    pub fn poll_items(&mut self, most: usize, may_be: impl Fn(&Channel) -> bool, now: Time) -> Vec<Item> {
        self.drop_old(now);
        let gaps = self.gaps.iter().map(|(channel, number)| (*number, channel, None));
        let messages =
            self.messages.iter().map(|message| (message.number, &message.channel, Some(message.payload.clone())));
        let items = gaps.chain(messages).filter(|(_, channel, _)| may_be(channel)).take(most);
        items.map(|(number, channel, payload)| Item { number, channel: channel.clone(), payload }).collect()
    }

    /// It has been published, or never will be.
    pub fn handle_published(&mut self, item: &Item) {
        match &item.payload {
            // What has been lost since is another gap.
            None if self.gaps.get(&item.channel) == Some(&item.number) => {
                self.gaps.remove(&item.channel);
                self.bytes -= cost(&item.channel, &[]);
            }
            None => {}
            Some(payload) => {
                if let Ok(index) = self.messages.binary_search_by_key(&item.number, |message| message.number) {
                    self.messages.remove(index);
                    self.bytes -= cost(&item.channel, payload);
                }
            }
        }
    }

    /// Messages kept.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Messages and gaps kept.
    pub fn items(&self) -> usize {
        self.messages.len() + self.gaps.len()
    }

    /// Bytes that they take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that had to go, ever.
    pub fn lost(&self, loss: Loss) -> u64 {
        self.lost[loss as usize]
    }

    /// Whether there would be room if every message went, each leaving no gap: otherwise none need go.
    fn could_fit(&self, cost: usize) -> bool {
        let gaps: usize = self.gaps.keys().map(|channel| self::cost(channel, &[])).sum();
        self.bounds.messages > 0 && gaps + cost <= self.bounds.bytes
    }

    fn drop_old(&mut self, now: Time) {
        while self.messages.front().is_some_and(|oldest| now.since(oldest.since) > self.bounds.keep_for) {
            // An old message does less harm than one that is missing without a word.
            if self.drop_oldest(Loss::Age).is_err() {
                return;
            }
        }
    }

    fn drop_oldest(&mut self, loss: Loss) -> Result<(), Full> {
        let oldest = self.messages.front().ok_or(Full)?;
        let is_known = self.gaps.contains_key(&oldest.channel);
        if !is_known && self.gaps.len() >= MOST_GAPS {
            return Err(Full);
        }
        let Message { channel, payload, .. } = self.messages.pop_front().ok_or(Full)?;
        self.bytes -= cost(&channel, &payload);
        if !is_known {
            self.bytes += cost(&channel, &[]);
        }
        let number = self.take_number();
        self.gaps.insert(channel, number);
        self.lost[loss as usize] += 1;
        Ok(())
    }

    fn take_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Loss {
    /// Every loss.
    pub const ALL: [Self; 2] = [Self::Age, Self::Overflow];

    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Overflow => "overflow",
        }
    }
}

fn cost(channel: &Channel, payload: &[u8]) -> usize {
    OVERHEAD + channel.name.len() + payload.len()
}

#[cfg(test)]
mod tests;
