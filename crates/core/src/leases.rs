//! Who may fill a missing key: one caller at a time is sent to its database, the others wait for what it writes.
//!
//! The idea is that of "Scaling Memcache at Facebook" (NSDI 2013, section 3.2.1). A lease is a [flight](crate::flights)
//! whose load somebody else makes: it lands when the key is written, by whomever. Unlike memcached's, it is no token that
//! a write has to show, because clients of Redis have none to show; so a write that was read before a deletion and comes
//! after it is not turned away. What a deletion does is to end the lease, so that whoever leads next reads anew.
//!
//! A lease has a term. When it is over without a write, its holder has died, or does not write what it reads: somebody
//! else leads. If that comes to nothing as well, the key is one that nobody sets, and its readers do not wait for each
//! other any more, until it is set after all or a minute has passed.
//!
//! Who asks for a key that it holds itself does not wait: it would wait for itself, in a pipeline. Everything is bounded;
//! at a bound the asker goes on without a lease.

mod filled;
mod unset;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use self::filled::Filled;
pub use self::filled::MOST_FILLED;
pub use self::unset::MOST_UNSET;
use self::unset::Unset;
use crate::Time;
use crate::flights::{Boarding, FlightId, Flights, FullReason, Seat};

/// Leases that are over are looked for this many at a time, with each question.
const MOST_SWEPT: usize = 64;

/// Who asks: the number of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker(pub u64);

/// A lease. It is never another one, even after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(FlightId);

/// What becomes of one who asks for a missing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is the asker's to fill.
    Lead(LeaseId),
    /// Another holds the lease: wait for a [`Word`], or ask again when its term is over.
    Wait(LeaseId, Seat, Time),
    /// Go on without a lease.
    Pass(PassReason),
    /// It has been written since it was found to be missing.
    Filled,
}

/// Why one goes on without a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassReason {
    /// It holds the lease itself.
    Own,
    /// Nobody sets the key.
    Unset,
    /// There is no room in the tables.
    Full(FullReason),
}

impl PassReason {
    /// The name of having no room, whichever.
    pub const FULL: &str = "full";

    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Unset => "uncacheable",
            Self::Full(_) => Self::FULL,
        }
    }
}

/// What one who waits is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// The key has been written.
    Filled,
    /// The lease has ended without that: ask again.
    Open,
    /// Its holder was turned away to protect the database, and so would be who asks now.
    Shed,
}

/// How leases end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With a write.
    Filled,
    /// With a deletion.
    Voided,
    /// With their term.
    Expired,
    /// Before their holder was told of them.
    GivenUp,
}

impl Ended {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Filled, Self::Voided, Self::Expired, Self::GivenUp];

    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Voided => "voided",
            Self::Expired => "expired",
            Self::GivenUp => "given_up",
        }
    }
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseStats {
    /// Leases that are held.
    pub held: u32,
    /// Leases that may be.
    pub max_held: u32,
    /// Askers that wait.
    pub waiting: u32,
    /// Askers that may.
    pub max_waiting: u32,
    /// Keys known that nobody sets.
    pub unset: usize,
    /// Leases that have ended so far, by [how](Ended::ALL).
    pub ended: [u64; Ended::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
struct Term {
    holder: Asker,
    until: Time,
}

/// The leases of one route.
#[derive(Debug)]
pub struct Leases<S = RandomState> {
    term: Duration,
    flights: Flights<Box<[u8]>, S>,
    terms: HashMap<FlightId, Term, S>,
    /// When terms are over, in the order in which they were granted. A lease that has ended, or was renewed, is still in
    /// here with its old term.
    ends: VecDeque<(Time, FlightId)>,
    words: VecDeque<(Seat, Word)>,
    unset: Unset,
    filled: Filled,
    hasher: S,
    ended: [u64; Ended::ALL.len()],
}

impl Leases {
    /// No leases, with room for so many, and for so many askers that wait, in all. Each is held for `term`.
    pub fn new(term: Duration, max_held: u32, max_waiting: u32) -> Self {
        Self::with_hasher(term, max_held, max_waiting, RandomState::new())
    }
}

impl<S: BuildHasher + Clone> Leases<S> {
    /// As `new`, with a hasher of the caller's. Where clients choose the keys, it should be seeded.
    pub fn with_hasher(term: Duration, max_held: u32, max_waiting: u32, hasher: S) -> Self {
        Self {
            term,
            flights: Flights::with_hasher(max_held, max_waiting, hasher.clone()),
            terms: HashMap::with_hasher(hasher.clone()),
            ends: VecDeque::new(),
            words: VecDeque::new(),
            unset: Unset::default(),
            filled: Filled::default(),
            hasher,
            ended: [0; Ended::ALL.len()],
        }
    }

    /// `asker` has found that `key` is missing: it was not there at some moment after `since`.
    pub fn request(&mut self, key: &[u8], asker: Asker, since: Time, now: Time) -> Leave {
        self.sweep(now);
        if let Some(lease) = self.flights.joinable(key)
            && let Some(term) = self.terms.get(&lease).copied()
        {
            if now >= term.until {
                self.end(lease, Ended::Expired, Word::Open, now);
            } else if term.holder == asker {
                return Leave::Pass(PassReason::Own);
            }
        }
        let hash = self.hasher.hash_one(key);
        if self.unset.is_unset(hash, now) {
            return Leave::Pass(PassReason::Unset);
        }
        if self.flights.joinable(key).is_none() && self.filled.is_filled_since(hash, since) {
            return Leave::Filled;
        }
        match self.flights.request(key.into()) {
            Boarding::Lead(lease) => {
                self.grant(lease, asker, now);
                Leave::Lead(LeaseId(lease))
            }
            Boarding::Join(lease, seat) => {
                let until = self.terms.get(&lease).map_or(now, |term| term.until);
                Leave::Wait(LeaseId(lease), seat, until)
            }
            Boarding::Full(reason) => Leave::Pass(PassReason::Full(reason)),
        }
    }

    /// The holder has been told only now that it may: its term begins.
    pub fn handle_told(&mut self, lease: LeaseId, now: Time) {
        if let Some(term) = self.terms.get(&lease.0).copied() {
            self.grant(lease.0, term.holder, now);
        }
    }

    /// The holder will not be told: those who wait are.
    pub fn handle_given_up(&mut self, lease: LeaseId, word: Word, now: Time) {
        self.end(lease.0, Ended::GivenUp, word, now);
    }

    /// One who waited does not any more.
    pub fn handle_left(&mut self, lease: LeaseId, seat: Seat) {
        self.flights.handle_left(lease.0, seat);
    }

    /// `key` has been written.
    pub fn handle_written(&mut self, key: &[u8], now: Time) {
        if !self.unset.is_empty() {
            self.unset.handle_set(self.hasher.hash_one(key));
        }
        if let Some(lease) = self.flights.joinable(key) {
            self.filled.handle_filled(self.hasher.hash_one(key), now);
            self.end(lease, Ended::Filled, Word::Filled, now);
        }
    }

    /// `key` has been deleted: what its holder reads may be what the deletion was about.
    pub fn handle_deleted(&mut self, key: &[u8], now: Time) {
        if let Some(lease) = self.flights.joinable(key) {
            self.end(lease, Ended::Voided, Word::Open, now);
        }
    }

    /// The next who is to be told; ask until there is nobody after every other call.
    pub fn poll_word(&mut self) -> Option<(Seat, Word)> {
        self.words.pop_front()
    }

    /// How full the tables are at `now`.
    pub fn stats(&self, now: Time) -> LeaseStats {
        LeaseStats {
            held: self.flights.in_flight(),
            max_held: self.flights.max_flights(),
            waiting: self.flights.waiters(),
            max_waiting: self.flights.max_waiters(),
            unset: self.unset.count(now),
            ended: self.ended,
        }
    }

    fn grant(&mut self, lease: FlightId, holder: Asker, now: Time) {
        let until = now + self.term;
        self.terms.insert(lease, Term { holder, until });
        self.ends.push_back((until, lease));
        if self.ends.len() > 2 * self.flights.max_flights() as usize {
            let terms = &self.terms;
            self.ends.retain(|(until, lease)| terms.get(lease).is_some_and(|term| term.until == *until));
        }
    }

    /// Ends leases that are over, the oldest first, and not too many at once.
    fn sweep(&mut self, now: Time) {
        for _ in 0..MOST_SWEPT {
            let Some((until, lease)) = self.ends.front().copied().filter(|(until, _)| *until <= now) else { return };
            self.ends.pop_front();
            if self.terms.get(&lease).is_some_and(|term| term.until == until) {
                self.end(lease, Ended::Expired, Word::Open, now);
            }
        }
    }

    fn end(&mut self, lease: FlightId, how: Ended, word: Word, now: Time) {
        if self.terms.remove(&lease).is_none() {
            return;
        }
        if how == Ended::Expired
            && let Some(key) = self.flights.key(lease)
        {
            self.unset.handle_unset(self.hasher.hash_one(key), now);
        }
        self.ended[how as usize] += 1;
        let told = self.flights.handle_landed(lease);
        self.words.extend(told.taken.into_iter().map(|seat| (seat, word)));
    }
}

#[cfg(test)]
mod tests;
