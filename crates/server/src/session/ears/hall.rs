//! The task that listens for one client: its connections to shards, orders from the client, and what is to be had back.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use failsoft::apology::{Code, apologise};
use failsoft::context::Context;
use failsoft::node::{Leave, Node, Speaker, Undedicated};
use failsoft::topology::{Hint, Place};
use failsoft_core::cluster::{Redirect, Slot};
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{Head, head};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::ear::{Ear, Said, channel_of, renumbered};
use super::{Order, Wish};
use crate::session::replies::Replies;

/// How often a channel is looked for at another shard.
const MOST_HOPS: usize = 5;
/// How long it may take until it is known where a slot has gone.
const TO_LEARN: Duration = Duration::from_secs(2);

/// All the connections on which one client listens.
pub(super) struct Hall {
    context: Context,
    /// What is known by now.
    news: Arc<Mutex<Context>>,
    protocol: Protocol,
    replies: Arc<Replies>,
    /// To how many channels, for others to see.
    channels: Arc<AtomicUsize>,
    ears: Vec<Ear>,
    /// Channels whose shard does not have them any more.
    lost: Vec<Box<[u8]>>,
}

/// The client cannot be served any longer.
struct Deaf;

impl From<Silence> for Deaf {
    fn from(_: Silence) -> Self {
        Self
    }
}

impl Hall {
    pub(super) fn new(
        news: Arc<Mutex<Context>>,
        protocol: Protocol,
        replies: Arc<Replies>,
        channels: Arc<AtomicUsize>,
    ) -> Self {
        let context = news.lock().clone();
        Self { context, news, protocol, replies, channels, ears: Vec::new(), lost: Vec::new() }
    }

    /// Listens until the client is gone, or cannot be served any longer.
    pub(super) async fn listen(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let due = self.ears.iter().map(Ear::due).min().unwrap_or(Time::NEVER);
            let order = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => Some(order),
                    None => return,
                },
                () = poll_fn(|turn| poll_any(&mut self.ears, turn)) => None,
                () = sleep_until(self.context.clock.instant(due)) => None,
            };
            if self.turn(order).await.is_err() {
                return self.replies.cut_off();
            }
        }
    }

    async fn turn(&mut self, order: Option<Order>) -> Result<(), Deaf> {
        self.context = self.news.lock().clone();
        if let Some(order) = order {
            let ticket = order.ticket;
            let told = self.carry_out(order).await?;
            self.replies.complete(ticket, told.into());
        }
        let now = self.context.now();
        for index in 0..self.ears.len() {
            let said = self.ears[index].look(now)?;
            self.take(said)?;
        }
        while let Some(channel) = self.lost.pop() {
            self.have_back(channel).await?;
        }
        self.ears.retain(|ear| ear.channels > 0);
        Ok(())
    }

    /// Hands on what nobody has asked for.
    fn take(&mut self, said: Vec<Said>) -> Result<(), Deaf> {
        for word in said {
            match word {
                Said::Message(message) => self.replies.push_message(&message),
                Said::Confirmed(confirmation) => {
                    self.lost.extend(channel_of(&confirmation).map(Box::from));
                    self.count();
                }
                Said::Alive => {}
                Said::Refused(_) => return Err(Deaf),
            }
        }
        Ok(())
    }

    /// What the client is told.
    async fn carry_out(&mut self, order: Order) -> Result<Vec<u8>, Deaf> {
        match order.wish {
            Wish::Listen => self.subscribe(&order.channels, order.place).await,
            Wish::Leave => self.leave(&order.channels, order.place).await,
            Wish::LeaveAll => self.leave_all().await,
        }
    }

    /// Begins to listen at the owner of `place`, wherever that is.
    async fn subscribe(&mut self, channels: &[Box<[u8]>], place: Place) -> Result<Vec<u8>, Deaf> {
        let frame = frame_of(b"SSUBSCRIBE", channels);
        for _ in 0..MOST_HOPS {
            let index = match self.ear_at(place).await {
                Ok(index) => index,
                Err(sorry) => return Ok(sorry),
            };
            let told = self.ask(index, &frame, channels.len()).await?;
            if !is_elsewhere(&told) {
                return Ok(told);
            }
            self.learn().await;
        }
        Ok(sorry(Outcome::Refused(Refusal::Moved)))
    }

    async fn leave(&mut self, channels: &[Box<[u8]>], place: Place) -> Result<Vec<u8>, Deaf> {
        let owner = self.owner(place);
        let at = owner.and_then(|owner| self.ears.iter().position(|ear| Arc::ptr_eq(ear.line.node(), &owner)));
        match at {
            Some(index) => self.ask(index, &frame_of(b"SUNSUBSCRIBE", channels), channels.len()).await,
            None => {
                let mut told = Vec::new();
                channels.iter().for_each(|channel| self.confirm_end(Some(channel), &mut told));
                Ok(told)
            }
        }
    }

    async fn leave_all(&mut self) -> Result<Vec<u8>, Deaf> {
        let mut told = Vec::new();
        for index in 0..self.ears.len() {
            let channels = self.ears[index].channels;
            told.extend(self.ask(index, b"*1\r\n$12\r\nSUNSUBSCRIBE\r\n", channels).await?);
        }
        if told.is_empty() {
            self.confirm_end(None, &mut told);
        }
        Ok(told)
    }

    /// What the node says to `frame`, as the client is to be told it.
    async fn ask(&mut self, index: usize, frame: &[u8], confirmations: usize) -> Result<Vec<u8>, Deaf> {
        let before = self.total() - self.ears[index].channels;
        let said = self.ears[index].ask(frame, confirmations, self.context.now()).await?;
        let mut told = Vec::new();
        for word in said {
            match word {
                Said::Message(message) => self.replies.push_message(&message),
                Said::Confirmed(confirmation) => {
                    let own = number_in(&confirmation);
                    told.extend(renumbered(&confirmation, before + own));
                }
                Said::Refused(refusal) => told = refusal,
                Said::Alive => {}
            }
        }
        self.count();
        Ok(told)
    }

    /// Listens again to a channel that its shard has let go of.
    async fn have_back(&mut self, channel: Box<[u8]>) -> Result<(), Deaf> {
        self.learn().await;
        let place = Place::Slot(Slot::of(&channel));
        let told = self.subscribe(std::slice::from_ref(&channel), place).await?;
        match head(&told) {
            Some(Head::Aggregate { .. } | Head::Push { .. }) => Ok(()),
            _ => Err(Deaf),
        }
    }

    /// The connection to the owner of `place`, or what the client is told if there is none.
    async fn ear_at(&mut self, place: Place) -> Result<usize, Vec<u8>> {
        let Some(owner) = self.owner(place) else {
            return Err(sorry(Outcome::Failed(Failure::Unowned)));
        };
        if let Some(index) = self.ears.iter().position(|ear| Arc::ptr_eq(ear.line.node(), &owner)) {
            return Ok(index);
        }
        let (speaker, leave) = (Speaker::Failsoft, Leave::OfCircuit);
        let line = owner.dedicate(self.context.worker, self.protocol, speaker, leave).await;
        let line = line.map_err(|undedicated: Undedicated| {
            let mut told = Vec::new();
            undedicated.apologise(Tier::Primary, self.context.now(), &mut told);
            told
        })?;
        self.ears.push(Ear::new(line, self.context.now()));
        Ok(self.ears.len() - 1)
    }

    fn owner(&self, place: Place) -> Option<Arc<Node>> {
        self.context.world.views().redis.primary(place).cloned()
    }

    async fn learn(&self) {
        let deployment = self.context.world.deployment();
        if let Some(look) = deployment.hint(Hint::Moved) {
            deployment.learned(look, TO_LEARN).await;
        }
    }

    fn total(&self) -> usize {
        self.ears.iter().map(|ear| ear.channels).sum()
    }

    fn count(&self) {
        self.channels.store(self.total(), Ordering::Relaxed);
    }

    fn confirm_end(&self, channel: Option<&[u8]>, out: &mut Vec<u8>) {
        encode::push_header(out, 3, self.protocol);
        encode::bulk(out, b"sunsubscribe");
        match channel {
            Some(channel) => encode::bulk(out, channel),
            None => encode::nil(out, self.protocol),
        }
        encode::integer(out, self.total() as i64);
    }
}

fn poll_any(ears: &mut [Ear], turn: &mut std::task::Context<'_>) -> Poll<()> {
    // Each of them has to be asked, so that each will wake.
    let ready = ears.iter_mut().filter_map(|ear| ear.poll(turn).is_ready().then_some(())).count();
    if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
}

fn frame_of(name: &[u8], channels: &[Box<[u8]>]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode::array_header(&mut frame, 1 + channels.len());
    encode::bulk(&mut frame, name);
    channels.iter().for_each(|channel| encode::bulk(&mut frame, channel));
    frame
}

fn is_elsewhere(told: &[u8]) -> bool {
    matches!(head(told), Some(Head::Error(text)) if Redirect::parse(text).is_some())
}

fn number_in(confirmation: &[u8]) -> usize {
    match failsoft_resp::reply::elements(confirmation).last().and_then(head) {
        Some(Head::Integer(number)) => usize::try_from(number).unwrap_or(0),
        _ => 0,
    }
}

fn sorry(because: Outcome) -> Vec<u8> {
    let mut told = Vec::new();
    apologise(Code::Unavailable, Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT }, &mut told);
    told
}
