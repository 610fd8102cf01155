//! Which state a circuit is in, and which event takes it to which other.
//!
//! Each variant owns its own facts, so that a closed circuit has no reason for being open. [`State::next`] is the
//! whole table of transitions, each arm headed *from => to*; every other pair of state and event changes nothing.
//! Whether calls are admitted is not decided here, nor is what the operator wants: that is another axis.

use std::fmt;
use std::time::Duration;

use super::pace::Pace;
use super::verdict::TripReason;
use crate::time::{Time, nanos};

/// The share of calls admitted in each step of the ramp, in percent; after the last step, all of them.
pub const RAMP_PERCENT: [u32; 5] = [5, 10, 25, 50, 75];

/// What has been observed of a place, with the facts that matter in that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Traffic flows.
    Closed {
        /// Since when.
        since: Time,
    },
    /// Traffic does not flow.
    Open {
        /// Since when.
        since: Time,
        /// From then on an answered background probe is believed.
        early: Time,
        /// From then on one call is let through in any case.
        until: Time,
        /// Why.
        reason: TripReason,
    },
    /// One call at a time finds out.
    HalfOpen {
        /// Since when.
        since: Time,
        /// What ended the open state.
        entry: HalfOpenEntry,
        /// When the outstanding probe permit was handed out, if one is.
        probe: Option<Time>,
    },
    /// Traffic comes back in steps.
    Ramp {
        /// Since when.
        since: Time,
        /// How long all steps take together.
        span: Duration,
    },
}

/// What ended the open state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfOpenEntry {
    /// The cooldown was over.
    CooldownOver,
    /// A background probe was answered.
    ProbeAnswered,
}

/// A state without its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// Traffic flows.
    Closed,
    /// Traffic does not flow.
    Open,
    /// One call at a time finds out.
    HalfOpen,
    /// Traffic comes back in steps.
    Ramp,
}

impl StateName {
    /// Every state, in the order in which an outage walks through them.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Open, Self::HalfOpen, Self::Ramp];

    /// The name used in logs, metric labels and the dashboard.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::Ramp => "ramp",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What can move a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Time went by.
    Elapsed,
    /// The evidence is enough to trip.
    Tripped(TripReason),
    /// A background probe was answered.
    Answered,
    /// The call that was to find out went well.
    TrialPassed,
    /// The call that was to find out failed.
    TrialFailed,
}

impl State {
    /// The name of the state.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Closed { .. } => StateName::Closed,
            Self::Open { .. } => StateName::Open,
            Self::HalfOpen { .. } => StateName::HalfOpen,
            Self::Ramp { .. } => StateName::Ramp,
        }
    }

    /// The step of the ramp at `now`, counted from 0, if the circuit is on it; at its end, the number of steps.
    pub fn ramp_step(&self, now: Time) -> Option<usize> {
        match *self {
            Self::Ramp { since, span } => Some(step_at(now.since(since), span)),
            Self::Closed { .. } | Self::Open { .. } | Self::HalfOpen { .. } => None,
        }
    }

    /// When time alone would move the circuit, `probe_timeout` being how long a probe may be outstanding.
    pub(super) fn next_timer(&self, probe_timeout: Duration) -> Option<Time> {
        match *self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } => Some(until),
            Self::HalfOpen { probe, .. } => probe.map(|granted| granted + probe_timeout),
            Self::Ramp { since, span } => Some(since + span),
        }
    }

    /// The state `event` leads to at `now`, if it leads to another; `pace` is told of trips.
    pub(super) fn next(self, event: Event, now: Time, pace: &mut Pace) -> Option<Self> {
        match self {
            Self::Closed { since } => Self::after_closed(since, event, now, pace),
            Self::Open { early, until, .. } => Self::after_open(early, until, event, now),
            Self::HalfOpen { entry, .. } => Self::after_half_open(entry, event, now, pace),
            Self::Ramp { since, span } => Self::after_ramp(since + span, event, now, pace),
        }
    }

    fn after_closed(since: Time, event: Event, now: Time, pace: &mut Pace) -> Option<Self> {
        match event {
            // closed => open
            Event::Tripped(reason) => {
                pace.note_trip(now.since(since));
                Some(Self::opened(reason, now, pace))
            }
            Event::Elapsed | Event::Answered | Event::TrialPassed | Event::TrialFailed => None,
        }
    }

    fn after_open(early: Time, until: Time, event: Event, now: Time) -> Option<Self> {
        match event {
            // open => half-open
            Event::Elapsed => (now >= until).then(|| Self::half_opened(HalfOpenEntry::CooldownOver, now)),
            // open => half-open
            Event::Answered => (now >= early).then(|| Self::half_opened(HalfOpenEntry::ProbeAnswered, now)),
            Event::Tripped(_) | Event::TrialPassed | Event::TrialFailed => None,
        }
    }

    fn after_half_open(entry: HalfOpenEntry, event: Event, now: Time, pace: &mut Pace) -> Option<Self> {
        match event {
            // half-open => ramp
            Event::TrialPassed => Some(Self::Ramp { since: now, span: pace.ramp() }),
            // half-open => open
            Event::TrialFailed => {
                match entry {
                    HalfOpenEntry::CooldownOver => {}
                    HalfOpenEntry::ProbeAnswered => pace.note_misled(),
                }
                Some(Self::opened(TripReason::ProbeFailed, now, pace))
            }
            Event::Elapsed | Event::Tripped(_) | Event::Answered => None,
        }
    }

    fn after_ramp(end: Time, event: Event, now: Time, pace: &mut Pace) -> Option<Self> {
        match event {
            // ramp => closed
            Event::Elapsed => (now >= end).then_some(Self::Closed { since: now }),
            // ramp => open
            Event::Tripped(reason) => {
                pace.note_relapse();
                Some(Self::opened(reason, now, pace))
            }
            Event::Answered | Event::TrialPassed | Event::TrialFailed => None,
        }
    }

    fn opened(reason: TripReason, now: Time, pace: &Pace) -> Self {
        Self::Open { since: now, early: now + pace.probe_cooldown(), until: now + pace.cooldown(), reason }
    }

    fn half_opened(entry: HalfOpenEntry, now: Time) -> Self {
        Self::HalfOpen { since: now, entry, probe: None }
    }
}

/// The step reached `elapsed` after the ramp began.
fn step_at(elapsed: Duration, span: Duration) -> usize {
    let steps = RAMP_PERCENT.len();
    if elapsed >= span {
        return steps;
    }
    let step = u128::from(nanos(elapsed)) * steps as u128 / u128::from(nanos(span)).max(1);
    usize::try_from(step).map_or(steps, |step| step.min(steps))
}

/// When step number `step` of a ramp begins.
pub(super) fn step_start(since: Time, span: Duration, step: usize) -> Time {
    let nanos = u128::from(nanos(span)) * step as u128;
    since + Duration::from_nanos(u64::try_from(nanos.div_ceil(RAMP_PERCENT.len() as u128)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::settings::CircuitSettings;
    use super::*;

    const EVENTS: [Event; 5] = [
        Event::Elapsed,
        Event::Tripped(TripReason::FailureCount),
        Event::Answered,
        Event::TrialPassed,
        Event::TrialFailed,
    ];

    /// Where each of [`EVENTS`] leads from `state`.
    fn row(state: State, now: Time) -> Vec<Option<StateName>> {
        let mut pace = Pace::new(&CircuitSettings::default());
        EVENTS.iter().map(|event| state.next(*event, now, &mut pace).map(|next| next.name())).collect()
    }

    #[test]
    fn the_table_of_transitions() {
        use StateName::{Closed, HalfOpen, Open, Ramp};
        let at = Time::from_millis;
        let open = State::Open { since: at(0), early: at(10), until: at(20), reason: TripReason::SlowRatio };
        let half = State::HalfOpen { since: at(0), entry: HalfOpenEntry::CooldownOver, probe: None };
        let ramp = State::Ramp { since: at(0), span: Duration::from_millis(10) };
        assert_eq!(row(State::Closed { since: at(0) }, at(99)), [None, Some(Open), None, None, None]);
        assert_eq!(row(open, at(9)), [None; 5]);
        assert_eq!(row(open, at(10)), [None, None, Some(HalfOpen), None, None]);
        assert_eq!(row(open, at(20)), [Some(HalfOpen), None, Some(HalfOpen), None, None]);
        assert_eq!(row(half, at(99)), [None, None, None, Some(Ramp), Some(Open)]);
        assert_eq!(row(ramp, at(9)), [None, Some(Open), None, None, None]);
        assert_eq!(row(ramp, at(10)), [Some(Closed), Some(Open), None, None, None]);
    }

    #[test]
    fn a_step_begins_when_its_start_says_so() {
        for span in [1, 7, 10, 1_000_003] {
            let (since, span) = (Time::from_nanos(5), Duration::from_nanos(span));
            let ramp = State::Ramp { since, span };
            for step in 1..=RAMP_PERCENT.len() {
                let start = step_start(since, span, step);
                assert!(ramp.ramp_step(start).unwrap() >= step, "{span:?} {step}");
                assert!(ramp.ramp_step(start - Duration::from_nanos(1)).unwrap() < step, "{span:?} {step}");
            }
        }
    }

    #[test]
    fn a_ramp_of_no_length_is_at_its_end() {
        let ramp = State::Ramp { since: Time::ZERO, span: Duration::ZERO };
        assert_eq!(ramp.ramp_step(Time::ZERO), Some(RAMP_PERCENT.len()));
    }
}
