//! Whether a local copy is as good as the primary's own word.
//!
//! A process that is told of every write may answer from memory. Being told is a connection, and a connection can break,
//! or fall silent without breaking. So two things vouch for a copy, and both must:
//!
//! * its **epoch**, one unbroken time of being told: a copy from an earlier one may have missed a write;
//! * a **lease**: the primary has answered a question that was put to it less than [`SILENCE`] ago. What it had to tell
//!   came before its answer on the same connection, so until the lease is over nothing older than that is served.
//!
//! The lease counts from the moment of asking, not from that of the answer: an answer may have lain on the way, or unread
//! in a process that did not run. A lease that runs out is renewed by the next answer and voids nothing; only a
//! connection that is lost, or given up after [`GIVE_UP`], ends the epoch.

use std::time::Duration;

use crate::Time;

/// How often the primary is asked for a sign of life.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long copies are vouched for after a question that was answered: the most by which a near copy can be behind.
pub const SILENCE: Duration = Duration::from_secs(1);
/// How long a question may stay unanswered before the connection is given up, and with it every copy's epoch. Much longer
/// than [`SILENCE`], so that one slow command in Redis does not cost all copies.
pub const GIVE_UP: Duration = Duration::from_secs(5);

/// One unbroken time of being told of every write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// No epoch: nobody vouches.
    pub const NONE: Self = Self(0);

    /// The epoch as an integer, to be published in an atomic.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The epoch that [`to_bits`](Self::to_bits) gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The epoch after this one; never [`NONE`](Self::NONE).
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whether this epoch, being the present one, vouches for a copy obtained in `other`.
    pub fn vouches_for(self, other: Self) -> bool {
        self == other && self != Self::NONE
    }
}

/// The signs of life of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    asked: Option<Time>,
    next: Time,
}

/// What is to be done about a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Ask for a sign of life now.
    Ask,
    /// Nothing until then.
    Wait(Time),
    /// It has been silent for too long.
    GiveUp,
}

impl Heartbeat {
    /// A connection that has just come about: it is asked at once.
    pub fn new(now: Time) -> Self {
        Self { asked: None, next: now }
    }

    /// What is to be done at `now`. After [`Beat::Ask`] the question counts as put.
    pub fn poll_beat(&mut self, now: Time) -> Beat {
        match self.asked {
            Some(asked) if now >= asked + GIVE_UP => Beat::GiveUp,
            Some(asked) => Beat::Wait(asked + GIVE_UP),
            None if now >= self.next => {
                self.asked = Some(now);
                self.next = now + HEARTBEAT;
                Beat::Ask
            }
            None => Beat::Wait(self.next),
        }
    }

    /// The question has been answered, and everything told before the answer has been taken in. Returns until when copies
    /// are vouched for; `None` if nothing had been asked.
    pub fn handle_answer(&mut self) -> Option<Time> {
        self.asked.take().map(|asked| asked + SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn the_lease_counts_from_the_question_however_late_the_answer_is_read() {
        let mut heartbeat = Heartbeat::new(Time::from_millis(10));
        assert_eq!(heartbeat.poll_beat(Time::from_millis(10)), Beat::Ask);
        let late = Time::from_millis(10) + GIVE_UP - MILLI;
        assert_eq!(heartbeat.poll_beat(late), Beat::Wait(Time::from_millis(10) + GIVE_UP));
        assert_eq!(heartbeat.handle_answer(), Some(Time::from_millis(10) + SILENCE));
        assert_eq!(heartbeat.poll_beat(late), Beat::Ask);
    }

    #[test]
    fn it_is_asked_at_each_beat_and_never_twice_at_once() {
        let mut heartbeat = Heartbeat::new(Time::ZERO);
        assert_eq!(heartbeat.poll_beat(Time::ZERO), Beat::Ask);
        assert_eq!(heartbeat.poll_beat(Time::ZERO + HEARTBEAT), Beat::Wait(Time::ZERO + GIVE_UP));
        assert!(heartbeat.handle_answer().is_some());
        assert_eq!(heartbeat.poll_beat(Time::ZERO + HEARTBEAT - MILLI), Beat::Wait(Time::ZERO + HEARTBEAT));
        assert_eq!(heartbeat.poll_beat(Time::ZERO + HEARTBEAT), Beat::Ask);
    }

    #[test]
    fn silence_is_given_up_at_its_bound_and_an_answer_to_nothing_vouches_for_nothing() {
        let mut heartbeat = Heartbeat::new(Time::ZERO);
        assert_eq!(heartbeat.handle_answer(), None);
        assert_eq!(heartbeat.poll_beat(Time::ZERO), Beat::Ask);
        assert_eq!(heartbeat.poll_beat(Time::ZERO + GIVE_UP - MILLI), Beat::Wait(Time::ZERO + GIVE_UP));
        assert_eq!(heartbeat.poll_beat(Time::ZERO + GIVE_UP), Beat::GiveUp);
    }

    #[test]
    fn an_epoch_vouches_for_itself_alone_and_none_for_nothing() {
        let first = Epoch::NONE.next();
        assert!(first.vouches_for(first));
        assert!(!first.next().vouches_for(first) && !first.vouches_for(Epoch::NONE));
        assert!(!Epoch::NONE.vouches_for(Epoch::NONE));
        assert_eq!(Epoch::from_bits(first.to_bits()), first);
    }

    #[test]
    fn a_lease_outlives_a_beat_with_time_to_answer_and_ends_long_before_the_connection() {
        assert!(SILENCE >= HEARTBEAT * 2 && GIVE_UP > SILENCE);
    }
}
