//! Whether what has been asked is written at once, or together with what is asked until the node's next replies.
//!
//! Writing is what costs: a system call, the way through the network stack, and a node that is woken up. While a node has
//! requests before it, another few small ones gain little by being sent one by one, so they are written together when its
//! next replies come, or when there are enough of them (the idea of RFC 896, which TCP itself applies to bytes).
//!
//! A node that is far away would stand idle meanwhile: nothing is held back unless the fastest replies of late came
//! within [`NEAR`]. Nothing is held back while there is little to do either, so that a lone request is never late. If no
//! reply comes, the connection's timer ends the wait.

use std::time::Duration;

use failsoft_core::Time;

/// Requests before a node from which on more are held back.
const MANY: usize = 2;
/// Bytes that are worth a write of their own: a dozen small commands. More of them would let a busy node stand idle.
pub(super) const ENOUGH: usize = 512;
/// A node whose replies can come as fast as this is near.
const NEAR: Duration = Duration::from_micros(250);
/// How slowly the fastest replies are forgotten: by this share of the difference with each that was slower.
const FORGETTING: u32 = 64;

/// How the writes of one connection are gathered.
#[derive(Debug)]
pub(super) struct Batching {
    /// When was written what has not been answered at all.
    sent: Option<Time>,
    /// The time from a write to the next reply, at the best of late.
    best: Duration,
}

impl Batching {
    /// About a connection that nothing is known of: it is taken to be far away.
    pub(super) fn new() -> Self {
        Self { sent: None, best: Duration::MAX }
    }

    /// Whether `bytes` are kept back, while `before` requests are before the node.
    pub(super) fn holds(&self, before: usize, bytes: usize) -> bool {
        self.sent.is_some() && before >= MANY && bytes < ENOUGH && self.best <= NEAR
    }

    /// Something was written.
    pub(super) fn handle_written(&mut self, now: Time) {
        self.sent.get_or_insert(now);
    }

    /// Something has come from the node.
    pub(super) fn handle_read(&mut self, now: Time) {
        let Some(sent) = self.sent.take() else {
            return;
        };
        let took = now.since(sent);
        self.best = match took.checked_sub(self.best) {
            Some(more) => self.best + more / FORGETTING,
            None => took,
        };
    }

    /// Nothing has come for too long: what is held back is written.
    pub(super) fn handle_silence(&mut self) {
        self.sent = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_nanos(micros * 1_000)
    }

    /// A connection that was answered after `took` microseconds and has been written to again.
    fn answered_within(took: u64) -> Batching {
        let mut batching = Batching::new();
        batching.handle_written(at(0));
        batching.handle_read(at(took));
        batching.handle_written(at(took));
        batching
    }

    #[test]
    fn requests_to_a_busy_near_node_wait_for_its_next_reply() {
        let mut batching = answered_within(100);
        assert!(batching.holds(MANY, ENOUGH - 1));
        batching.handle_read(at(150));
        assert!(!batching.holds(MANY, ENOUGH - 1));
    }

    #[test]
    fn nothing_waits_for_a_node_with_little_to_do_nor_when_there_is_enough_to_write() {
        let batching = answered_within(100);
        assert!(!batching.holds(MANY - 1, 1));
        assert!(!batching.holds(MANY, ENOUGH));
    }

    #[test]
    fn nothing_waits_for_a_node_that_is_far_away_or_of_which_nothing_is_known() {
        assert!(!Batching::new().holds(MANY, 1));
        assert!(answered_within(250).holds(MANY, 1));
        assert!(!answered_within(251).holds(MANY, 1));
    }

    #[test]
    fn a_silent_node_is_not_waited_for() {
        let mut batching = answered_within(100);
        batching.handle_silence();
        assert!(!batching.holds(MANY, 1));
    }

    #[test]
    fn a_node_that_was_slow_for_a_while_is_still_near_and_one_that_has_moved_away_is_not() {
        let mut batching = answered_within(100);
        let mut answer_slowly = |times| {
            for _ in 0..times {
                batching.sent = Some(at(0));
                batching.handle_read(at(500));
            }
            batching.sent = Some(at(0));
            batching.holds(MANY, 1)
        };
        assert!(answer_slowly(10));
        assert!(!answer_slowly(100));
    }
}
