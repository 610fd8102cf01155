//! Being told by a sentinel that something has happened.
//!
//! What is told is never believed, only taken as a reason to ask: a message can be late, lost, or a lie. So little is made of
//! it: that there is news of this primary. Whenever the connection is there again there is news too, since nobody knows
//! what was missed. A sentinel that falls silent is connected to anew, in growing intervals.

use std::convert::Infallible;
use std::time::Duration;

use failsoft_core::outcome::Silence;
use failsoft_core::refusal::Refusal;
use failsoft_core::sentinel::Unreadable;
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Head};
use tokio::time::{sleep, timeout};

use super::Unheard;
use crate::clock::dice;
use crate::node::{Backoff, NodeOptions, handshake};
use crate::topology::replies::Replies;

const SWITCHED: &[u8] = b"+switch-master";
/// What sentinels tell: that another process is the primary; that one is missed, or is not any more, or has come.
const CHANNELS: [&[u8]; 6] = [SWITCHED, b"+odown", b"-odown", b"+sdown", b"-sdown", b"+slave"];
/// After this long without a word a sentinel is asked for one, and after as long again given up.
const QUIET: Duration = Duration::from_secs(2);

/// What a sentinel has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// It tells from here on; what happened before is not known.
    Listening,
    /// Another process is the primary.
    Switched,
    /// A process of the deployment is missed, or is not any more, or has come.
    Changed,
}

/// Tells `told` what the sentinel tells about the primary called `master_name`, for as long as it is polled.
pub async fn listen(options: &NodeOptions, master_name: &str, mut told: impl FnMut(News)) -> Infallible {
    let mut backoff = Backoff::default();
    loop {
        let mut has_listened = false;
        let mut tell = |news| {
            has_listened = true;
            told(news);
        };
        let end = follow(options, master_name, &mut tell).await;
        if has_listened {
            backoff.handle_success();
        }
        tracing::debug!(sentinel = %options.address, reason = end.name(), "does not tell what happens");
        sleep(backoff.handle_failure(dice())).await;
    }
}

/// Is told until the connection ends; returns why it did.
async fn follow(options: &NodeOptions, master_name: &str, told: &mut impl FnMut(News)) -> Unheard {
    let mut wire = match handshake::connect(options, Protocol::Resp2).await {
        Ok(wire) => wire,
        Err(failure) => return Unheard::Failed(failure),
    };
    let mut replies = Replies::of(&mut wire);
    let mut patience = Patience::Fresh;
    let mut subscribed = 0;
    let mut step = send(&mut replies, &subscription()).await;
    loop {
        if let Err(end) = step {
            return end;
        }
        step = match (timeout(QUIET, replies.next()).await, patience) {
            (Ok(Ok(frame)), _) => {
                patience = Patience::Fresh;
                replies.forget();
                take(&frame, master_name, &mut subscribed, told)
            }
            (Ok(Err(silence)), _) => Err(Unheard::Silent(silence)),
            (Err(_), Patience::Spent) => Err(Unheard::Silent(Silence::Timeout)),
            (Err(_), Patience::Fresh) => {
                patience = Patience::Spent;
                send(&mut replies, &ping()).await
            }
        };
    }
}

/// Whether a quiet sentinel has been asked for a sign of life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Fresh,
    Spent,
}

fn subscription() -> Vec<u8> {
    let mut bytes = Vec::new();
    let [first, second, third, fourth, fifth, sixth] = CHANNELS;
    encode::command(&mut bytes, [&b"SUBSCRIBE"[..], first, second, third, fourth, fifth, sixth]);
    bytes
}

fn ping() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::command(&mut bytes, [&b"PING"[..]]);
    bytes
}

async fn send(replies: &mut Replies<'_>, bytes: &[u8]) -> Result<(), Unheard> {
    let sent = timeout(QUIET, replies.ask(bytes)).await;
    sent.unwrap_or(Err(Silence::Timeout)).map_err(Unheard::Silent)
}

/// Takes one message; once all channels are subscribed to, the news begin.
fn take(frame: &[u8], master_name: &str, subscribed: &mut usize, told: &mut impl FnMut(News)) -> Result<(), Unheard> {
    match read(frame) {
        Frame::Subscribed => {
            *subscribed += 1;
            if *subscribed == CHANNELS.len() {
                told(News::Listening);
            }
        }
        Frame::Message { channel: SWITCHED, words } if words.split(' ').next() == Some(master_name) => {
            told(News::Switched);
        }
        Frame::Message { channel, words } if channel != SWITCHED && concerns(words, master_name) => told(News::Changed),
        Frame::Message { .. } | Frame::Alive => {}
        Frame::Refused(refusal) => return Err(Unheard::Refused(refusal)),
        Frame::Unexpected => return Err(Unheard::Unreadable(Unreadable::Shape("SUBSCRIBE"))),
    }
    Ok(())
}

/// What one frame says.
#[derive(Debug, PartialEq, Eq)]
enum Frame<'f> {
    Subscribed,
    Message { channel: &'f [u8], words: &'f str },
    Alive,
    Refused(Refusal),
    Unexpected,
}

fn read(frame: &[u8]) -> Frame<'_> {
    if let Some(Head::Error(text)) = reply::head(frame) {
        return Frame::Refused(Refusal::from_error(text));
    }
    let mut parts = reply::elements(frame).map(reply::head);
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(Head::Bulk(b"subscribe")), Some(Head::Bulk(_)), Some(Head::Integer(_))) => Frame::Subscribed,
        (Some(Head::Bulk(b"message")), Some(Head::Bulk(channel)), Some(Head::Bulk(words))) => {
            Frame::Message { channel, words: std::str::from_utf8(words).unwrap_or_default() }
        }
        (Some(Head::Bulk(b"pong")), Some(Head::Bulk(_)), None) => Frame::Alive,
        _ => Frame::Unexpected,
    }
}

/// Whether an event is about the deployment: `master NAME IP PORT`, or `slave ID IP PORT @ NAME IP PORT`.
fn concerns(words: &str, master_name: &str) -> bool {
    let of_primary = words.strip_prefix("master ");
    let of_other = words.split_once(" @ ").map(|(_, primary)| primary);
    of_primary.or(of_other).and_then(|primary| primary.split(' ').next()) == Some(master_name)
}

#[cfg(test)]
mod tests;
