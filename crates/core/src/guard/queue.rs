//! Who waits for a turn: a bounded line, first come, first served.
//!
//! Tickets are numbered in the order in which they are given, so a cancelled one is found by halving. Whoever leaves
//! is taken out at once, so that the bound counts only those who still wait.

use std::collections::VecDeque;

use crate::time::Time;

/// A place in the line, good for one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    /// From then on a turn is of no use.
    pub(super) deadline: Time,
}

#[derive(Clone, Debug)]
pub(super) struct Queue {
    line: VecDeque<Waiting>,
    bound: u32,
    next: u64,
}

impl Queue {
    pub(super) fn new(bound: u32) -> Self {
        Self { line: VecDeque::new(), bound, next: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.line.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.bound
    }

    pub(super) fn bound(&self) -> u32 {
        self.bound
    }

    /// A place at the end, unless the line is full.
    pub(super) fn join(&mut self, deadline: Time) -> Option<Ticket> {
        if self.is_full() {
            return None;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.line.push_back(Waiting { ticket, deadline });
        Some(ticket)
    }

    pub(super) fn first(&self) -> Option<Waiting> {
        self.line.front().copied()
    }

    pub(super) fn take_first(&mut self) {
        self.line.pop_front();
    }

    /// Takes `ticket` out of the line and says whether it was in it.
    pub(super) fn leave(&mut self, ticket: Ticket) -> bool {
        match self.line.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            Ok(place) => self.line.remove(place).is_some(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_line_keeps_its_order_and_its_bound() {
        let mut queue = Queue::new(3);
        let tickets: Vec<_> = (0..3).map(|_| queue.join(Time::NEVER).unwrap()).collect();
        assert_eq!(queue.join(Time::NEVER), None);
        assert!(queue.leave(tickets[1]));
        assert!(!queue.leave(tickets[1]));
        let last = queue.join(Time::NEVER).unwrap();
        for expected in [tickets[0], tickets[2], last] {
            assert_eq!(queue.first().unwrap().ticket, expected);
            queue.take_first();
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn a_line_of_no_length_takes_nobody() {
        assert_eq!(Queue::new(0).join(Time::NEVER), None);
    }
}
