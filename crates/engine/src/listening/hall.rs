//! The task that listens for one listener: its connections to nodes, its orders, and what becomes of both.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Turn, Poll};

use failsoft_core::Time;
use failsoft_core::outcome::Silence;
use failsoft_resp::Protocol;
use failsoft_resp::pubsub::Channels;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::ear::{Ear, Said};
use super::regaining::Pace;
use super::subscriptions::Subscriptions;
use super::unheard::Deaf;
use super::{Audience, Counts, Order};
use crate::clock::dice;
use crate::context::Context;

/// All the connections on which one listener listens.
pub(super) struct Hall {
    pub(super) context: Context,
    /// What is known by now.
    news: Arc<Mutex<Context>>,
    pub(super) protocol: Protocol,
    pub(super) audience: Arc<dyn Audience>,
    counts: Arc<Counts>,
    pub(super) ears: Vec<Ear>,
    /// What is listened to nowhere at present.
    pub(super) missing: Subscriptions,
    pub(super) pace: Pace,
}

impl Hall {
    pub(super) fn new(
        news: Arc<Mutex<Context>>,
        protocol: Protocol,
        audience: Arc<dyn Audience>,
        counts: Arc<Counts>,
    ) -> Self {
        let context = news.lock().clone();
        let (ears, missing, pace) = (Vec::new(), Subscriptions::default(), Pace::default());
        Self { context, news, protocol, audience, counts, ears, missing, pace }
    }

    /// Listens until the listener is gone, or cannot be served any longer.
    pub(super) async fn listen(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let due = self.due();
            let order = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => Some(order),
                    None => return,
                },
                () = poll_fn(|turn| poll_any(&mut self.ears, turn)) => None,
                () = sleep_until(self.context.clock.instant(due)) => None,
            };
            if self.turn(order).await.is_err() {
                return self.audience.cut_off();
            }
        }
    }

    fn due(&self) -> Time {
        let again = (!self.missing.is_empty()).then(|| self.pace.due());
        self.ears.iter().map(Ear::due).chain(again).min().unwrap_or(Time::NEVER)
    }

    async fn turn(&mut self, order: Option<Order>) -> Result<(), Deaf> {
        self.context = self.news.lock().clone();
        if let Some(order) = order {
            let ticket = order.ticket;
            let told = self.carry_out(order).await?;
            self.count();
            self.audience.confirm(ticket, told);
        }
        self.look_at_all()?;
        self.leave_who_is_no_primary()?;
        self.regain().await?;
        self.count();
        self.ears.retain(|ear| !ear.has.is_empty());
        Ok(())
    }

    fn look_at_all(&mut self) -> Result<(), Deaf> {
        let now = self.context.now();
        // From the last one on, because one that is lost gives its place to the last.
        for index in (0..self.ears.len()).rev() {
            match self.ears[index].look(now) {
                Ok(said) => self.take(index, said)?,
                Err(silence) => self.lose(index, silence)?,
            }
        }
        Ok(())
    }

    /// Hands on what nobody has asked for.
    pub(super) fn take(&mut self, index: usize, said: Vec<Said>) -> Result<(), Deaf> {
        for word in said {
            match word {
                Said::Message(message) => self.audience.tell(&message),
                Said::Confirmed(channels, name) => {
                    if self.ears[index].has.remove(channels, &name) {
                        self.missing.insert(channels, &name);
                    }
                }
                Said::Alive => self.pace.handle_alive(),
                Said::Refused(_) => return self.lose(index, Silence::ProtocolViolation),
            }
        }
        Ok(())
    }

    /// The connection is of no more use.
    pub(super) fn lose(&mut self, index: usize, silence: Silence) -> Result<(), Deaf> {
        if !self.is_steadfast() {
            return Err(Deaf);
        }
        let ear = self.ears.swap_remove(index);
        ear.line.handle_silence(silence);
        self.missing.extend(&ear.has);
        self.pace.handle_lost(self.context.now(), dice());
        self.context.world.listening().lost.increment();
        Ok(())
    }

    /// All that is listened to, in its parts.
    pub(super) fn held(&self) -> impl Iterator<Item = &Subscriptions> {
        self.ears.iter().map(|ear| &ear.has).chain(std::iter::once(&self.missing))
    }

    /// How many of what Redis counts together with `channels` are listened to.
    pub(super) fn total(&self, channels: Channels) -> usize {
        let of = |channels: Channels| self.held().map(|held| held.of(channels).len()).sum::<usize>();
        match channels {
            Channels::Named | Channels::Patterns => of(Channels::Named) + of(Channels::Patterns),
            Channels::Sharded => of(Channels::Sharded),
        }
    }

    /// Whether all that is listened to is of invalidation routes: then the listener stays whatever comes, and is told of
    /// gaps.
    pub(super) fn is_steadfast(&self) -> bool {
        self.held().flat_map(Subscriptions::all).all(|(_, name)| self.context.world.gap_message(name).is_some())
    }

    fn count(&self) {
        self.counts.plain.store(self.total(Channels::Named), Ordering::Relaxed);
        self.counts.sharded.store(self.total(Channels::Sharded), Ordering::Relaxed);
    }
}

fn poll_any(ears: &mut [Ear], turn: &mut Turn<'_>) -> Poll<()> {
    // Each of them has to be asked, so that each will wake.
    let ready = ears.iter_mut().filter_map(|ear| ear.poll(turn).is_ready().then_some(())).count();
    if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
}
