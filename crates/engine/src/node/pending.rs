//! The requests that wait on one connection, in the order in which they were written.
//!
//! Redis answers in order and says nothing about which question it answers, so the place in this queue is all that
//! connects a reply to its asker. An asker who stops waiting therefore keeps his place (with nobody to deliver to)
//! until the reply has come or the connection is gone. Each place also knows where its bytes begin in the stream: what
//! had not begun to be written when the connection was lost cannot have happened.

use std::collections::VecDeque;

use failsoft_core::Time;
use failsoft_core::circuit::Permit;
use failsoft_core::outcome::Failure;

use super::{Author, Question};
use crate::delivery::Sink;

/// A request that has been accepted and not been answered.
pub(super) struct Pending {
    /// Where the answer goes; nobody is left if the asker stopped waiting.
    pub(super) sink: Option<Sink>,
    /// The circuit's leave.
    pub(super) permit: Permit,
    /// When it was asked.
    pub(super) asked: Time,
    /// When the asker stops waiting.
    pub(super) by: Time,
    /// Where its first byte is in the stream of this connection.
    pub(super) start: u64,
    /// Whose words an error reply would be.
    pub(super) author: Author,
    /// Bytes that the node had sent on this connection when it was asked.
    pub(super) received: u64,
}

/// The queue, with the bytes that are not yet handed to the socket.
pub(super) struct Queue {
    pub(super) phase: Phase,
    pub(super) outbox: Vec<u8>,
    entries: VecDeque<Pending>,
    accepted: u64,
    /// Places whose bytes are in the outbox.
    unwritten: usize,
    /// Bytes that the node has sent on this connection.
    pub(super) received: u64,
    earliest: Time,
    abandoned: usize,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody has asked yet.
    Idle,
    /// Being made, and there is reason to believe that it will be: requests may wait for it.
    Welcoming,
    /// Gone, and being made again after this failure: requests are turned away.
    Down(Failure),
    /// Usable.
    Up,
}

/// Why a reply does not fit the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsolicited;

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            outbox: Vec::new(),
            entries: VecDeque::new(),
            accepted: 0,
            unwritten: 0,
            received: 0,
            earliest: Time::NEVER,
            abandoned: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first moment at which somebody stops waiting.
    pub(super) fn earliest(&self) -> Time {
        self.earliest
    }

    /// When the first request in line was asked.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.entries.front().map(|pending| pending.asked)
    }

    /// How many places nobody waits at any more.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// How many places wait for the node: their bytes have been taken from the outbox.
    pub(super) fn before_node(&self) -> usize {
        self.entries.len() - self.unwritten
    }

    /// Whether there is anything to write.
    pub(super) fn has_gathered(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Takes the bytes that are to be written next; `out` is empty.
    pub(super) fn take_outbox(&mut self, out: &mut Vec<u8>) {
        std::mem::swap(&mut self.outbox, out);
        self.unwritten = 0;
    }

    /// Adds a request whose frame is `frame`.
    pub(super) fn push(&mut self, frame: &[u8], ask: Question) {
        let Question { sink, permit, by, asked, protocol: _, author, lane: _, manner: _ } = ask;
        let start = self.accepted;
        self.accepted += frame.len() as u64;
        self.unwritten += 1;
        self.outbox.extend_from_slice(frame);
        self.earliest = self.earliest.min(by);
        self.entries.push_back(Pending { sink: Some(sink), permit, asked, by, start, author, received: self.received });
    }

    /// Takes the first `count` places into `taken`, if as many requests had been written by `written`.
    pub(super) fn take_answered(
        &mut self,
        count: usize,
        written: u64,
        taken: &mut Vec<Pending>,
    ) -> Result<(), Unsolicited> {
        match count.checked_sub(1).map(|last| self.entries.get(last)) {
            None => return Ok(()),
            Some(Some(last)) if last.start < written => {}
            Some(_) => return Err(Unsolicited),
        }
        taken.extend(self.entries.drain(..count));
        self.abandoned -= taken.iter().filter(|pending| pending.sink.is_none()).count();
        if self.entries.is_empty() {
            self.earliest = Time::NEVER;
        }
        Ok(())
    }

    /// Takes the sinks of all who have waited long enough; their places stay.
    pub(super) fn take_overdue(&mut self, now: Time, overdue: &mut Vec<(Sink, Permit)>) {
        self.earliest = Time::NEVER;
        for entry in &mut self.entries {
            if entry.sink.is_none() {
                continue;
            }
            if entry.by > now {
                self.earliest = self.earliest.min(entry.by);
            } else if let Some(sink) = entry.sink.take() {
                self.abandoned += 1;
                overdue.push((sink, entry.permit));
            }
        }
    }

    /// Empties the queue for a new connection.
    pub(super) fn take_all(&mut self, phase: Phase) -> Vec<Pending> {
        self.phase = phase;
        self.outbox = Vec::new();
        self.unwritten = 0;
        self.accepted = 0;
        self.received = 0;
        self.earliest = Time::NEVER;
        self.abandoned = 0;
        self.entries.drain(..).collect()
    }
}
