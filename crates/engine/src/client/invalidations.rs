//! News that copies have become wrong: told to everybody who listens, and that some may have been missed.
//!
//! A subscription outlives its connection. What was told while there was none is lost, and nobody can say what it was: so the
//! listener hears of a [`Gap`](Notice::Gap), and drops all that it would have been told of. The same where it does not take its
//! notices in time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use failsoft_resp::pubsub::Channels;
use failsoft_resp::reply::{Head, ReplyScanner, elements, head};
use failsoft_resp::{Limits, Protocol};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::room::{Room, words};
use super::{Error, replies};
use crate::listening::{Audience, Listener, Order, Wish};

/// Notices that may wait to be taken; beyond it there is a gap.
const MOST_NOTICES: usize = 1_024;

/// Channels on one route with role invalidation.
#[derive(Clone)]
pub struct Invalidations {
    room: Room,
}

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody has published this.
    Message {
        /// On which channel.
        channel: Bytes,
        /// What.
        message: Bytes,
    },
    /// Messages may have been missed, nobody can say which: every copy that they could have been about is to be dropped.
    Gap,
}

/// Listens to some channels for as long as it is kept.
pub struct Subscription {
    notices: mpsc::Receiver<Notice>,
    ears: Arc<Ears>,
    /// Dropped with it, which ends the listening.
    _kept: oneshot::Sender<()>,
}

/// Takes what is heard.
struct Ears {
    room: Room,
    notices: Mutex<Option<mpsc::Sender<Notice>>>,
    has_missed: AtomicBool,
    confirmed: Mutex<Option<oneshot::Sender<Result<(), Error>>>>,
}

impl Invalidations {
    pub(super) fn new(room: Room) -> Self {
        Self { room }
    }

    /// Tells everybody who listens to `channel`; how many that were at Redis' node, as far as it says.
    ///
    /// While Redis is away the message waits, within bounds, and is sent when it is back.
    ///
    /// # Errors
    /// It is not known to be told, and does not wait.
    pub async fn publish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> Result<u64, Error> {
        let channel = channel.as_ref();
        self.room.ensure_own(&[channel])?;
        let reply = self.room.change(words([b"PUBLISH", channel, message.as_ref()])).await?;
        Ok(replies::integer(&reply)?.unsigned_abs())
    }

    /// Listens to these channels.
    ///
    /// # Errors
    /// They cannot be listened to.
    pub async fn subscribe<K: AsRef<[u8]>>(
        &self,
        channels: impl IntoIterator<Item = K>,
    ) -> Result<Subscription, Error> {
        let names: Vec<Box<[u8]>> = channels.into_iter().map(|channel| channel.as_ref().into()).collect();
        self.room.ensure_own(&names)?;
        if names.is_empty() {
            return Err(Error::misuse("there is nothing to listen to without a channel"));
        }
        let call = self.room.begin()?;
        let (sender, notices) = mpsc::channel(MOST_NOTICES);
        let (confirm, confirmed) = oneshot::channel();
        let ears = Arc::new(Ears {
            room: self.room.clone(),
            notices: Mutex::new(Some(sender)),
            has_missed: AtomicBool::new(false),
            confirmed: Mutex::new(Some(confirm)),
        });
        let listener = Listener::start(self.room.caller().context(), Protocol::Resp3, ears.clone());
        listener.order(Order { wish: Wish::Listen, channels: Channels::Named, names, ticket: 0 });
        let (kept, dropped) = oneshot::channel();
        let (room, told) = (self.room.clone(), ears.clone());
        tokio::spawn(async move {
            let _call = call;
            keep(&listener, &room, dropped).await;
            told.end();
        });
        // An audience that is gone was cut off.
        confirmed.await.unwrap_or(Err(Error::ShutDown))?;
        Ok(Subscription { notices, ears, _kept: kept })
    }
}

/// Keeps the listener up to date until its owner is gone, or the client.
async fn keep(listener: &Listener, room: &Room, mut dropped: oneshot::Receiver<()>) {
    let mut news = room.caller().engine().news();
    loop {
        tokio::select! {
            _ = &mut dropped => return,
            () = room.client().shutdown_word().begun() => return,
            changed = news.changed() => match changed {
                Ok(()) => listener.take_up(&room.caller().context()),
                Err(_) => return,
            },
        }
    }
}

impl Subscription {
    /// The next notice; `None` when nothing more will come: the client is shut down, or cannot listen any longer.
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Notice> {
        if self.ears.has_missed.swap(false, Ordering::AcqRel) {
            return Some(Notice::Gap);
        }
        match self.notices.recv().await {
            None if self.ears.has_missed.swap(false, Ordering::AcqRel) => Some(Notice::Gap),
            notice => notice,
        }
    }
}

impl Audience for Ears {
    fn tell(&self, messages: &[u8]) {
        let mut scanner = ReplyScanner::new(Limits::REPLIES);
        let mut rest = messages;
        while let Ok(Some(len)) = scanner.scan(rest) {
            self.hear(&rest[..len]);
            rest = &rest[len..];
        }
    }

    fn confirm(&self, _ticket: u64, told: Vec<u8>) {
        if let Some(confirmed) = self.confirmed.lock().take() {
            // Whoever wanted to listen may have gone.
            let _ = confirmed.send(replies::done(&told));
        }
    }

    fn cut_off(&self) {
        self.has_missed.store(true, Ordering::Release);
        self.end();
    }
}

impl Ears {
    /// Nothing more will come.
    fn end(&self) {
        self.notices.lock().take();
        self.confirmed.lock().take();
    }

    fn hear(&self, frame: &[u8]) {
        let bytes = |element: Option<&[u8]>| match element.and_then(head) {
            Some(Head::Bulk(bytes)) => Some(Bytes::copy_from_slice(bytes)),
            _ => None,
        };
        let mut parts = elements(frame).skip(1);
        if let (Some(channel), Some(message)) = (bytes(parts.next()), bytes(parts.next())) {
            let (world, _) = self.room.caller().engine().world();
            let is_gap = world.gap_message(&channel) == Some(&message[..]);
            self.note(if is_gap { Notice::Gap } else { Notice::Message { channel, message } });
        }
    }

    fn note(&self, notice: Notice) {
        let taken = self.notices.lock().as_ref().is_some_and(|notices| notices.try_send(notice).is_ok());
        if !taken {
            self.has_missed.store(true, Ordering::Release);
        }
    }
}

impl fmt::Debug for Invalidations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidations").field("route", &self.room.name()).finish()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("route", &self.ears.room.name()).finish_non_exhaustive()
    }
}
