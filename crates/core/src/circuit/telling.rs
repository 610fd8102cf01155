//! What there is to tell of a circuit: its transitions, in order, in a bounded queue.
//!
//! A circuit that nobody listens to must not grow, so beyond [`MOST_UNTOLD`] the oldest transition is dropped and
//! counted: what a circuit is like lately matters more than what it was like first. Deciding never depends on it.

use std::collections::VecDeque;
use std::fmt;

use super::state::{HalfOpenEntry, State, StateName};
use super::verdict::TripReason;
use crate::time::Time;

/// Transitions kept for whoever tells of them: several whole outages.
pub const MOST_UNTOLD: usize = 32;

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state that ended.
    pub from: StateName,
    /// The state that began.
    pub to: StateName,
    /// Why.
    pub reason: TransitionReason,
    /// When.
    pub at: Time,
    /// The epoch that began with it.
    pub epoch: u32,
}

/// Why a circuit changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionReason {
    /// It tripped.
    Tripped(TripReason),
    /// It had been open for the whole cooldown.
    CooldownOver,
    /// A background probe was answered.
    ProbeAnswered,
    /// The one probe of the half-open state went well.
    TrialPassed,
    /// All steps of the ramp went by without a failure.
    RampDone,
}

impl TransitionReason {
    /// The name used in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tripped(reason) => reason.name(),
            Self::CooldownOver => "cooldown-over",
            Self::ProbeAnswered => "probe-answered",
            Self::TrialPassed => "trial-passed",
            Self::RampDone => "ramp-done",
        }
    }
}

impl fmt::Display for TransitionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Telling {
    untold: VecDeque<Transition>,
    lost: u64,
}

impl Telling {
    pub(super) fn new() -> Self {
        Self { untold: VecDeque::with_capacity(MOST_UNTOLD), lost: 0 }
    }

    pub(super) fn note(&mut self, from: &State, to: &State, at: Time, epoch: u32) {
        if self.untold.len() == MOST_UNTOLD {
            self.untold.pop_front();
            self.lost += 1;
        }
        self.untold.push_back(Transition { from: from.name(), to: to.name(), reason: reason_of(to), at, epoch });
    }

    pub(super) fn poll(&mut self) -> Option<Transition> {
        self.untold.pop_front()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

/// Each state can be entered in few ways, and knows which it was.
fn reason_of(to: &State) -> TransitionReason {
    match to {
        State::Closed { .. } => TransitionReason::RampDone,
        State::Open { reason, .. } => TransitionReason::Tripped(*reason),
        State::HalfOpen { entry: HalfOpenEntry::CooldownOver, .. } => TransitionReason::CooldownOver,
        State::HalfOpen { entry: HalfOpenEntry::ProbeAnswered, .. } => TransitionReason::ProbeAnswered,
        State::Ramp { .. } => TransitionReason::TrialPassed,
    }
}
