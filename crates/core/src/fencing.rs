//! Fencing tokens, and for how long a lease is proven: the rules, without the Redis that keeps them.
//!
//! A lock that ends by itself can always have two holders: one whose lease has ended without his noticing, and the next.
//! What keeps the first from doing harm is the resource, which turns away whoever comes with a smaller token than the
//! greatest that it has seen (Kleppmann, "How to do distributed locking", 2016). So a later grant must have the greater
//! token, also where the earlier one has been forgotten: by a failover that lost it, by eviction, by FLUSHALL. Hence three
//! sources, and the greatest wins: the token before, the server's clock, and what this process has seen.
//!
//! The script that grants (`acquire.lua`) counts as [`Token::next`] does; a test holds one against the other.

use std::fmt;
use std::time::Duration;

use crate::Time;

/// A number that is greater than that of every earlier grant of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// For how long at least a token is remembered after the lease that it was given with: how far a server's clock may step
/// back and the rule still hold by the token before alone.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest lease: what is shorter is over before anybody has heard of it.
pub const LEAST_TTL: Duration = Duration::from_millis(10);

/// The longest.
pub const MOST_TTL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Token {
    /// The greatest there is: beyond it Lua, whose numbers are doubles, would give the same token twice.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The token that is this number.
    pub const fn new(number: u64) -> Option<Self> {
        if number > 0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The next grant's: greater than the one before, than what has been seen, and not behind the server's clock, which
    /// is in microseconds since 1970 (2^53 of them are 285 years). `None`: there is no greater one.
    pub fn next(before: Option<Self>, seen: Option<Self>, server_micros: u64) -> Option<Self> {
        let after = |token: Option<Self>| token.map_or(0, |token| token.0 + 1);
        Self::new(after(before).max(after(seen)).max(server_micros))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lease as its holder may believe in it, by the holder's own monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    asked: Time,
    ttl: Duration,
}

impl Lease {
    /// A lease of `ttl` that was asked for at `asked`: the server's clock cannot have begun to count it earlier.
    pub const fn new(asked: Time, ttl: Duration) -> Self {
        Self { asked, ttl }
    }

    /// When it was asked for.
    pub const fn asked(self) -> Time {
        self.asked
    }

    /// The moment from which it can no longer be proven: its end, less what two clocks may differ by meanwhile (a
    /// hundredth, and two milliseconds because Redis counts in whole ones; the same that Redlock allows for).
    pub fn proven_until(self) -> Time {
        self.asked + self.ttl.saturating_sub(self.ttl / 100 + Duration::from_millis(2))
    }

    /// Whether it is proven at `now`.
    pub fn is_proven(self, now: Time) -> bool {
        now < self.proven_until()
    }

    /// For how much longer it is proven.
    pub fn left(self, now: Time) -> Duration {
        self.proven_until().since(now)
    }
}

/// How many replicas have to have a grant before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// So many, as the route says.
    Exactly(u32),
    /// One, if the deployment has or ever had a replica as far as is known; else none.
    OneIfThereAreReplicas,
}

impl Copies {
    /// How many that is in a deployment which `has_replicas`, or has had some.
    pub const fn wanted(self, replicas: Replicas) -> u32 {
        match (self, replicas) {
            (Self::Exactly(count), _) => count,
            (Self::OneIfThereAreReplicas, Replicas::Seen) => 1,
            (Self::OneIfThereAreReplicas, Replicas::NeverSeen) => 0,
        }
    }
}

/// Whether a deployment has replicas, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// It has, or had: a primary that has lost its last one may be the next that is lost.
    Seen,
    /// None has been seen since this process began.
    NeverSeen,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(number: u64) -> Token {
        Token::new(number).unwrap()
    }

    #[test]
    fn the_greatest_of_three_sources_wins() {
        let next = |before: u64, seen: u64, micros| Token::next(Token::new(before), Token::new(seen), micros);
        assert_eq!(next(0, 0, 500), Some(token(500)), "the clock alone");
        assert_eq!(next(700, 0, 500), Some(token(701)), "the clock has stepped back, or two came in one microsecond");
        assert_eq!(next(500, 0, 500), Some(token(501)));
        assert_eq!(next(0, 900, 500), Some(token(901)), "the token before has been lost, and the clock is behind");
        assert_eq!(next(700, 900, 950), Some(token(950)));
    }

    #[test]
    fn beyond_the_greatest_there_is_none() {
        assert_eq!(Token::next(Some(Token::MAX), None, 1), None);
        assert_eq!(Token::next(None, Token::new(Token::MAX.number() - 1), 1), Some(Token::MAX));
        assert_eq!(Token::new(Token::MAX.number() + 1), None);
        assert_eq!(Token::new(0), None);
    }

    #[test]
    fn a_lease_is_proven_for_less_than_it_lasts_and_counts_from_when_it_was_asked_for() {
        let lease = Lease::new(Time::from_millis(1_000), Duration::from_secs(10));
        assert_eq!(lease.proven_until(), Time::from_millis(10_898));
        assert!(lease.is_proven(Time::from_millis(10_897)));
        assert!(!lease.is_proven(Time::from_millis(10_898)));
        assert_eq!(lease.left(Time::from_millis(10_000)), Duration::from_millis(898));
        let short = Lease::new(Time::ZERO, Duration::from_millis(1));
        assert!(!short.is_proven(Time::ZERO));
        assert!(Lease::new(Time::ZERO, LEAST_TTL).is_proven(Time::ZERO));
    }

    #[test]
    fn what_a_route_says_stands_and_otherwise_replicas_decide() {
        for replicas in [Replicas::Seen, Replicas::NeverSeen] {
            assert_eq!(Copies::Exactly(2).wanted(replicas), 2);
            assert_eq!(Copies::Exactly(0).wanted(replicas), 0);
        }
        assert_eq!(Copies::OneIfThereAreReplicas.wanted(Replicas::Seen), 1);
        assert_eq!(Copies::OneIfThereAreReplicas.wanted(Replicas::NeverSeen), 0);
    }

    proptest! {
        /// Grants of one process: whatever is lost and wherever the clock jumps, tokens grow.
        #[test]
        fn tokens_grow_whatever_is_lost(steps in proptest::collection::vec((0..4u64 << 40, any::<bool>()), 1..50)) {
            let (mut before, mut seen): (Option<Token>, Option<Token>) = (None, None);
            for (micros, is_lost) in steps {
                let next = Token::next(before.filter(|_| !is_lost), seen, micros).unwrap();
                prop_assert!(seen.is_none_or(|seen| next > seen));
                (before, seen) = (Some(next), Some(next));
            }
        }
    }
}
