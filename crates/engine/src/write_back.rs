//! Values loaded from an origin are written back to Redis, so that the next reader finds them there.
//!
//! Nobody waits for it; it is bounded; it happens only while the primary's circuit is closed, or, during the ramp, for the
//! share of traffic that the ramp admits (a Redis that came back empty would otherwise stay empty through it); and it
//! only ever fills a key that is not there (`NX`), so that a value that an application has written meanwhile is never
//! overwritten with an older one. Times to live are spread a little, so that what was loaded together does not expire
//! together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use failsoft_core::circuit::{Permit, StateName};
use failsoft_core::journal::{Lateness, Trust};
use failsoft_core::outcome::Doubt;
use failsoft_core::request::Manner;
use failsoft_core::{Outcome, Time};
use failsoft_resp::encode::{self, Protocol};

use crate::clock::dice;
use crate::delivery::{Deliver, Sink};
use crate::node::{Author, Lane, Node, Question};
use crate::telemetry::counter::{Counter, CounterMap};
use crate::tier::local::Version;
use crate::topology::Hint;
use crate::value::Value;
use crate::world::World;

/// Fills a hash in one step; a plain HSET could mix two versions of a row.
const FILL_HASH: &[u8] = b"if redis.call('EXISTS',KEYS[1])==0 then \
    for i=2,#ARGV,2 do redis.call('HSET',KEYS[1],ARGV[i],ARGV[i+1]) end \
    redis.call('PEXPIRE',KEYS[1],ARGV[1]) return 1 end return 0";

/// The write-backs of one engine.
pub struct WriteBack {
    bound: usize,
    jitter: f64,
    ledger: Arc<Ledger>,
}

/// What has been counted.
#[derive(Debug, Default)]
pub struct WriteBackStats {
    /// Values that Redis has taken, or did not need.
    pub written: Counter,
    /// Values that were not written, by reason.
    pub dropped: CounterMap,
}

/// A key to be filled, and the version under which its value was asked for.
pub struct Filling {
    /// Whose primary is filled.
    pub world: Arc<World>,
    /// On whose connection.
    pub worker: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// Its version.
    pub version: Version,
}

/// One write-back under way.
struct Entry {
    ledger: Arc<Ledger>,
    filling: Filling,
}

#[derive(Default)]
struct Ledger {
    outstanding: AtomicUsize,
    stats: WriteBackStats,
}

impl WriteBack {
    /// At most `bound` write-backs under way; times to live are spread by up to `jitter` (a share of them) either way.
    pub fn new(bound: usize, jitter: f64) -> Self {
        Self { bound, jitter, ledger: Arc::new(Ledger::default()) }
    }

    /// Writes `value` back, if that is possible now and no write to its key has passed since it was asked for.
    pub fn offer(&self, filling: Filling, value: &Value, ttl: Duration) {
        if let Err(reason) = self.send(filling, value, ttl) {
            self.ledger.stats.dropped.increment(reason);
        }
    }

    fn send(&self, filling: Filling, value: &Value, ttl: Duration) -> Result<(), &'static str> {
        if !filling.is_current() {
            return Err("invalidated");
        }
        if filling.world.journal().trust(&filling.key) == Trust::Nobody {
            return Err("unreplayed");
        }
        if filling.is_held() {
            return Err("held_open");
        }
        let primary = filling.world.owner_of(&filling.key).ok_or("unowned")?;
        let asked = primary.health().now();
        let permit = leave(&primary, asked).ok_or("circuit_open")?;
        if self.ledger.outstanding.fetch_add(1, Ordering::AcqRel) >= self.bound {
            self.ledger.outstanding.fetch_sub(1, Ordering::AcqRel);
            return Err("queue_full");
        }
        let by = asked + primary.options().timeout;
        let frame = fill(&filling.key, value, self.spread(ttl));
        let worker = filling.worker;
        let sink = Sink { to: Arc::new(Entry { ledger: self.ledger.clone(), filling }), ticket: 0 };
        let question = Question {
            sink,
            permit,
            by,
            asked,
            protocol: Protocol::Resp2,
            author: Author::Node,
            lane: Lane::default(),
            manner: Manner::Plain,
        };
        primary.ask(worker, &frame, question).map_err(|failure| {
            self.ledger.outstanding.fetch_sub(1, Ordering::AcqRel);
            failure.name()
        })
    }

    fn spread(&self, ttl: Duration) -> Duration {
        let chance = (dice() % 2_001) as f64 / 1_000.0 - 1.0;
        ttl.mul_f64(1.0 + self.jitter * chance).max(Duration::from_millis(1))
    }

    /// Write-backs under way, and the bound on them.
    pub fn outstanding(&self) -> (usize, usize) {
        (self.ledger.outstanding.load(Ordering::Acquire), self.bound)
    }

    /// What has been counted.
    pub fn stats(&self) -> &WriteBackStats {
        &self.ledger.stats
    }
}

impl Deliver for Entry {
    fn deliver(&self, _ticket: u64, outcome: Outcome, reply: &[u8], _now: Time) {
        self.ledger.outstanding.fetch_sub(1, Ordering::AcqRel);
        match outcome {
            Outcome::Hit | Outcome::Miss(_) => self.ledger.stats.written.increment(),
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => {
                self.ledger.stats.dropped.increment(outcome.reason());
            }
        }
        if outcome.doubt() == Some(Doubt::Moved) {
            self.filling.world.deployment().hint(Hint::Moved);
        }
        let has_filled = matches!(reply, b"+OK\r\n" | b":1\r\n");
        match outcome {
            Outcome::Silent(_) => self.filling.take_back(Lateness::Possible),
            // Redis tells of the filling itself, so only a write that passed here says that it was overtaken.
            _ if has_filled && !self.filling.is_unwritten() => self.filling.take_back(Lateness::Never),
            Outcome::Hit | Outcome::Miss(_) | Outcome::Refused(_) | Outcome::Failed(_) => {}
        }
    }

    fn wake(&self) {}
}

impl Filling {
    fn is_current(&self) -> bool {
        self.world.local().is_current(self.version)
    }

    /// Whether the operator wants no node to be asked about the key.
    fn is_held(&self) -> bool {
        self.world.route(self.world.route_of(&self.key)).is_held()
    }

    fn is_unwritten(&self) -> bool {
        self.world.local().is_unwritten(self.version)
    }

    /// What was filled in may be older than a write, or become so once it is carried out. Deleting it may be once too often,
    /// which costs a load; leaving it would serve an old value for a whole time to live.
    fn take_back(&self, lateness: Lateness) {
        self.world.journal().handle_invalidated(&self.world, [&*self.key], lateness);
    }
}

/// The half-open state's one probe is for somebody who waits for an answer.
fn leave(primary: &Node, now: Time) -> Option<Permit> {
    match primary.health().state() {
        StateName::Closed | StateName::Ramp => primary.request_permit(now).ok(),
        StateName::Open | StateName::HalfOpen => None,
    }
}

fn fill(key: &[u8], value: &Value, ttl: Duration) -> Vec<u8> {
    let ttl = ttl.as_millis().to_string();
    let mut frame = Vec::new();
    match value {
        Value::Raw(bytes) => encode::command(&mut frame, [&b"SET"[..], key, bytes, b"PX", ttl.as_bytes(), b"NX"]),
        Value::Hash(fields) => {
            let mut args = vec![&b"EVAL"[..], FILL_HASH, b"1", key, ttl.as_bytes()];
            for (field, value) in fields {
                args.extend([field.as_ref(), value.as_ref()]);
            }
            encode::command(&mut frame, args);
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_are_spread_within_the_jitter() {
        let write_back = WriteBack::new(1, 0.1);
        let ttl = Duration::from_secs(100);
        let spread: Vec<_> = (0..1_000).map(|_| write_back.spread(ttl)).collect();
        assert!(spread.iter().all(|ttl| (90.0..=110.0).contains(&ttl.as_secs_f64())));
        assert!(spread.iter().any(|ttl| ttl.as_secs_f64() < 95.0));
        assert!(spread.iter().any(|ttl| ttl.as_secs_f64() > 105.0));
    }
}
