//! A connection to one node on which one listener listens.

use std::collections::BTreeSet;
use std::task::{Context as Turn, Poll};
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::outcome::Silence;
use failsoft_resp::encode;
use failsoft_resp::pubsub::{Channels, Frame, channel_of, frame_of};
use failsoft_resp::reply::{Head, head};
use tokio::io::Interest;
use tokio::time::timeout;

use super::subscriptions::Subscriptions;
use crate::node::Dedicated;

/// How often a node that only sends messages is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long it may take to answer that, whatever it is given for other questions: who listens has to know of a gap within
/// two seconds.
const MOST_PATIENCE: Duration = Duration::from_secs(1);
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A connection to one node on which one listener listens.
pub(super) struct Ear {
    pub(super) line: Dedicated,
    /// To what, by the node's word.
    pub(super) has: Subscriptions,
    heard: Time,
    pinged: Option<Time>,
}

/// What a node has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Something that has happened in a channel: for the listener as it is.
    Message(Vec<u8>),
    /// A subscription has begun or ended.
    Confirmed(Channels, Box<[u8]>),
    /// It will not do what it was asked.
    Refused(Vec<u8>),
    /// It is there.
    Alive,
}

impl Ear {
    pub(super) fn new(line: Dedicated, now: Time) -> Self {
        Self { line, has: Subscriptions::default(), heard: now, pinged: None }
    }

    /// Has `word` done to the channels with these names, and returns what comes until all of them have been confirmed, or
    /// refused.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) async fn ask(&mut self, word: &str, names: &[Box<[u8]>], now: Time) -> Result<Vec<Said>, Silence> {
        let patience = self.line.node().options().timeout;
        let mut frame = Vec::new();
        encode::array_header(&mut frame, 1 + names.len());
        encode::bulk(&mut frame, word.as_bytes());
        names.iter().for_each(|name| encode::bulk(&mut frame, name));
        self.line.send(&frame);
        timeout(patience, self.hear(names, now)).await.unwrap_or(Err(Silence::Timeout))
    }

    async fn hear(&mut self, names: &[Box<[u8]>], now: Time) -> Result<Vec<Said>, Silence> {
        let mut said = Vec::new();
        // One client may name tens of thousands.
        let (known, mut missing) = (names.iter().collect::<BTreeSet<_>>(), names.len());
        while missing > 0 {
            while let Some(word) = self.next(now)? {
                missing = match &word {
                    // Another is one that the node ends of its own accord: its slot has moved.
                    Said::Confirmed(_, name) if known.contains(name) => missing.saturating_sub(1),
                    Said::Refused(_) => 0,
                    Said::Message(_) | Said::Confirmed(..) | Said::Alive => missing,
                };
                said.push(word);
            }
            if missing > 0 {
                self.line.flush()?;
                if self.line.ready(Interest::READABLE).await?.is_readable() {
                    self.line.receive()?;
                }
            }
        }
        Ok(said)
    }

    /// What has come, and asks whether the node is there if nothing has for a while.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn look(&mut self, now: Time) -> Result<Vec<Said>, Silence> {
        self.line.receive()?;
        let mut said = Vec::new();
        while let Some(word) = self.next(now)? {
            said.push(word);
        }
        match self.pinged {
            Some(pinged) if pinged + self.patience() <= now => return Err(Silence::Timeout),
            None if self.heard + HEARTBEAT <= now => {
                self.line.send(PING);
                self.pinged = Some(now);
            }
            Some(_) | None => {}
        }
        self.line.flush()?;
        Ok(said)
    }

    /// When something has to be done although nothing happens.
    pub(super) fn due(&self) -> Time {
        self.pinged.map_or(self.heard + HEARTBEAT, |pinged| pinged + self.patience())
    }

    /// Ready when something may have come, or the connection has come to an end.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_>) -> Poll<()> {
        self.line.poll_ready(turn)
    }

    fn patience(&self) -> Duration {
        self.line.node().options().timeout.min(MOST_PATIENCE)
    }

    fn next(&mut self, now: Time) -> Result<Option<Said>, Silence> {
        let Some(reply) = self.line.next_reply()? else {
            return Ok(None);
        };
        self.heard = now;
        let is_error = matches!(head(reply), Some(Head::Error(_)));
        let said = match frame_of(reply) {
            Frame::Message => Said::Message(reply.to_vec()),
            Frame::Confirmation(channels, _) => Said::Confirmed(channels, channel_of(reply).unwrap_or_default().into()),
            Frame::Reply => match (self.pinged.take(), is_error) {
                (Some(_), false) => Said::Alive,
                // Who has no answer to PING has no messages either.
                (Some(_), true) => return Err(Silence::ConnectionLost),
                (None, true) => Said::Refused(reply.to_vec()),
                (None, false) => return Err(Silence::ProtocolViolation),
            },
        };
        Ok(Some(said))
    }
}
