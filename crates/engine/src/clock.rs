//! The one place where time and chance enter the engine.
//!
//! Decisions take both as arguments; this is where the arguments come from. The clock is monotonic: a jump of the
//! wall clock reaches neither a deadline nor a time to live.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use failsoft_core::Time;

/// Monotonic time since the engine started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The instant of a moment, for timers. [`Time::NEVER`] becomes a century from the start.
    pub fn instant(&self, time: Time) -> tokio::time::Instant {
        const CENTURY_NANOS: u64 = 100 * 365 * 24 * 3600 * 1_000_000_000;
        let offset = std::time::Duration::from_nanos(time.as_nanos().min(CENTURY_NANOS));
        tokio::time::Instant::from_std(self.start + offset)
    }
}

/// Milliseconds since 1970 by the wall clock, for what callers say in that clock; 0 before.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A random number, for jitter and sampling; not for secrets.
///
/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), seeded per thread from the operating system's randomness.
pub fn dice() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u8));
    }
    STATE.with(|state| {
        let seed = state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        state.set(seed);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}
