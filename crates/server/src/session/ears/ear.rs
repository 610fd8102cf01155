//! A connection to one shard on which one client listens.

use std::task::{Context as Turn, Poll};
use std::time::Duration;

use failsoft::node::Dedicated;
use failsoft_core::Time;
use failsoft_core::outcome::Silence;
use failsoft_resp::reply::{Head, elements, head};
use tokio::io::Interest;
use tokio::time::timeout;

use crate::session::dedicated::message::{Frame, frame_of};

/// How often a node that only sends messages is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A connection to one shard on which one client listens.
pub(super) struct Ear {
    pub(super) line: Dedicated,
    /// To how many channels, by its node's last word.
    pub(super) channels: usize,
    heard: Time,
    pinged: Option<Time>,
}

/// What a node has said.
pub(super) enum Said {
    /// Something that has happened in a channel: for the client as it is.
    Message(Vec<u8>),
    /// A subscription has begun or ended.
    Confirmed(Vec<u8>),
    /// It will not do what it was asked.
    Refused(Vec<u8>),
    /// It is there.
    Alive,
}

impl Ear {
    pub(super) fn new(line: Dedicated, now: Time) -> Self {
        Self { line, channels: 0, heard: now, pinged: None }
    }

    /// Sends `frame` and returns what comes until there are as many confirmations, or a refusal.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) async fn ask(&mut self, frame: &[u8], confirmations: usize, now: Time) -> Result<Vec<Said>, Silence> {
        let patience = self.line.node().options().timeout;
        self.line.send(frame);
        timeout(patience, self.hear(confirmations, now)).await.unwrap_or(Err(Silence::Timeout))
    }

    async fn hear(&mut self, confirmations: usize, now: Time) -> Result<Vec<Said>, Silence> {
        let mut said = Vec::new();
        let mut missing = confirmations;
        while missing > 0 {
            while let Some(word) = self.next(now)? {
                missing = match word {
                    Said::Confirmed(_) => missing.saturating_sub(1),
                    Said::Refused(_) => 0,
                    Said::Message(_) | Said::Alive => missing,
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
            Some(pinged) if pinged + self.line.node().options().timeout <= now => return Err(Silence::Timeout),
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
        self.pinged.map_or(self.heard + HEARTBEAT, |pinged| pinged + self.line.node().options().timeout)
    }

    /// Ready when something may have come, or the connection has come to an end.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_>) -> Poll<()> {
        self.line.poll_ready(turn)
    }

    fn next(&mut self, now: Time) -> Result<Option<Said>, Silence> {
        let Some(reply) = self.line.next_reply()? else {
            return Ok(None);
        };
        self.heard = now;
        let said = match frame_of(reply) {
            Frame::Message => Said::Message(reply.to_vec()),
            Frame::Confirmation(_, channels) => {
                self.channels = channels;
                Said::Confirmed(reply.to_vec())
            }
            Frame::Reply if matches!(head(reply), Some(Head::Error(_))) => Said::Refused(reply.to_vec()),
            Frame::Reply if self.pinged.take().is_some() => Said::Alive,
            Frame::Reply => return Err(Silence::ProtocolViolation),
        };
        Ok(Some(said))
    }
}

/// The channel that a confirmation is about.
pub(super) fn channel_of(confirmation: &[u8]) -> Option<&[u8]> {
    match head(elements(confirmation).nth(1)?) {
        Some(Head::Bulk(channel)) => Some(channel),
        _ => None,
    }
}

/// A confirmation that tells another number of channels.
pub(super) fn renumbered(confirmation: &[u8], channels: usize) -> Vec<u8> {
    let number = elements(confirmation).last().map_or(0, <[u8]>::len);
    let mut told = confirmation[..confirmation.len() - number].to_vec();
    failsoft_resp::encode::integer(&mut told, channels as i64);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_tells_its_channel_and_any_number() {
        for mark in ["*", ">"] {
            let confirmation = format!("{mark}3\r\n$10\r\nssubscribe\r\n$3\r\na:1\r\n:1\r\n");
            assert_eq!(channel_of(confirmation.as_bytes()), Some(&b"a:1"[..]));
            let expected = format!("{mark}3\r\n$10\r\nssubscribe\r\n$3\r\na:1\r\n:17\r\n");
            assert_eq!(renumbered(confirmation.as_bytes(), 17), expected.as_bytes());
        }
    }
}
