//! How long an opening and the way back last, given how often the circuit has flapped.
//!
//! Two things are remembered. *Trips* in a row, each soon after traffic had been let back in: every one doubles the
//! cooldown, the wait for a background probe and the ramp, up to `max_cooldown`. *Misled* half-open states: a
//! background probe was answered and the real call after it failed (a healthy PING over a sick data path); these
//! double only the wait for the next background probe, which can never exceed the cooldown. A probe that fails
//! after a full cooldown lengthens nothing: that is one long outage, not flapping, and must not delay the return.

use std::time::Duration;

use super::settings::CircuitSettings;

/// Enough doublings to take a nanosecond past an hour.
const MOST_DOUBLINGS: u32 = 42;

#[derive(Clone, Debug)]
pub(super) struct Pace {
    cooldown: Duration,
    probe_cooldown: Duration,
    ramp: Duration,
    longest: Duration,
    forgive_after: Duration,
    trips: u32,
    misled: u32,
}

impl Pace {
    pub(super) fn new(settings: &CircuitSettings) -> Self {
        Self {
            cooldown: settings.cooldown,
            probe_cooldown: settings.probe_cooldown,
            ramp: settings.ramp,
            longest: settings.max_cooldown,
            forgive_after: settings.forgive_after,
            trips: 0,
            misled: 0,
        }
    }

    /// The circuit trips after having been closed for `closed_for`.
    pub(super) fn note_trip(&mut self, closed_for: Duration) {
        if closed_for >= self.forgive_after {
            self.trips = 0;
        }
        self.note_relapse();
    }

    /// The circuit trips before it had closed again.
    pub(super) fn note_relapse(&mut self) {
        self.trips = self.trips.saturating_add(1);
        self.misled = 0;
    }

    /// A background probe was answered and the call it made room for failed.
    pub(super) fn note_misled(&mut self) {
        self.misled = self.misled.saturating_add(1);
    }

    /// How long the circuit stays open.
    pub(super) fn cooldown(&self) -> Duration {
        self.lengthened(self.cooldown, self.flaps())
    }

    /// How long after opening an answered background probe is believed.
    pub(super) fn probe_cooldown(&self) -> Duration {
        self.lengthened(self.probe_cooldown, self.flaps().saturating_add(self.misled)).min(self.cooldown())
    }

    /// How long the way from one probe to full traffic takes.
    pub(super) fn ramp(&self) -> Duration {
        self.lengthened(self.ramp, self.flaps())
    }

    fn flaps(&self) -> u32 {
        self.trips.saturating_sub(1)
    }

    fn lengthened(&self, span: Duration, doublings: u32) -> Duration {
        let factor = 1u64 << doublings.min(MOST_DOUBLINGS);
        let nanos = span.as_nanos().saturating_mul(factor.into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(&CircuitSettings::default())
    }

    #[test]
    fn each_early_trip_doubles_everything_up_to_the_bound() {
        let mut pace = pace();
        pace.note_trip(Duration::ZERO);
        assert_eq!((pace.cooldown(), pace.probe_cooldown(), pace.ramp()), (30 * SECOND, SECOND, 2 * SECOND));
        pace.note_trip(59 * SECOND);
        pace.note_relapse();
        assert_eq!((pace.cooldown(), pace.probe_cooldown(), pace.ramp()), (120 * SECOND, 4 * SECOND, 8 * SECOND));
        (0..100).for_each(|_| pace.note_relapse());
        assert_eq!((pace.cooldown(), pace.probe_cooldown(), pace.ramp()), (300 * SECOND, 300 * SECOND, 300 * SECOND));
    }

    #[test]
    fn staying_closed_is_forgiveness() {
        let mut pace = pace();
        (0..5).for_each(|_| pace.note_relapse());
        pace.note_trip(60 * SECOND);
        assert_eq!(pace.cooldown(), 30 * SECOND);
    }

    #[test]
    fn being_misled_delays_the_background_probe_but_never_past_the_cooldown() {
        let mut pace = pace();
        pace.note_trip(Duration::ZERO);
        pace.note_misled();
        pace.note_misled();
        assert_eq!((pace.cooldown(), pace.probe_cooldown()), (30 * SECOND, 4 * SECOND));
        (0..50).for_each(|_| pace.note_misled());
        assert_eq!(pace.probe_cooldown(), 30 * SECOND);
        pace.note_trip(60 * SECOND);
        assert_eq!(pace.probe_cooldown(), SECOND);
    }
}
