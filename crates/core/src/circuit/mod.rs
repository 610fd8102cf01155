//! The circuit: whether a place may be asked, from what was seen of it.
//!
//! Evidence, verdict, state and telling are separate files; here they meet. A call needs a [`Permit`] and reports back
//! with it. Permits carry an epoch: what comes back with an old one was decided under another state and is counted,
//! never obeyed, so that a hundred late failures cannot re-open what a probe has just found healthy. Every probe
//! permit has an epoch of its own, so exactly one holder can end the half-open state.
//!
//! What the operator wants ([`Override`]) is another axis than what is observed: the observed state goes on
//! moving underneath and is there, up to date, when the override is lifted. While held closed, every call serves as
//! a probe, since no call waits for one.
//!
//! Time may arrive slightly out of order (several threads report); nothing depends on it being monotonic. State that
//! only time moves is moved at the next call that brings the time, or by [`Circuit::handle_elapsed`].

mod evidence;
mod gate;
mod pace;
mod settings;
mod state;
mod telling;
mod verdict;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use evidence::{Counts, Evidence};
pub use gate::{Denial, DenialReason, Gate};
pub use settings::{CircuitSettings, CircuitSettingsError};
pub use state::{HalfOpenEntry, RAMP_PERCENT, State, StateName};
pub use telling::{MOST_UNTOLD, Transition, TransitionReason};
pub use verdict::TripReason;

use evidence::Window;
use pace::Pace;
use state::{Event, step_start};
use telling::Telling;

use crate::time::Time;

/// What an operator wants of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Override {
    /// The observed state decides.
    #[default]
    Auto,
    /// No traffic, whatever is observed.
    HoldOpen,
    /// All traffic, whatever is observed.
    HoldClosed,
}

/// What a permit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitKind {
    /// An ordinary call.
    Normal,
    /// The one call that finds out for all others.
    Probe,
}

/// Leave to make one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a permit that never reports back holds up the half-open state"]
pub struct Permit {
    /// What it is for.
    pub kind: PermitKind,
    /// The epoch it was given in.
    pub epoch: u32,
}

/// How a background probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The place answered as a healthy one does.
    Answered,
    /// It did not.
    Failed,
}

/// One circuit, guarding one place.
#[derive(Clone, Debug)]
pub struct Circuit {
    settings: CircuitSettings,
    window: Window,
    state: State,
    pace: Pace,
    operator: Override,
    epoch: u32,
    old_evidence: u64,
    telling: Telling,
}

impl Circuit {
    /// A closed circuit that has seen nothing. Any settings are safe; [`CircuitSettings::validate`] says which are sane.
    pub fn new(settings: CircuitSettings) -> Self {
        Self {
            window: Window::new(settings.window),
            state: State::Closed { since: Time::ZERO },
            pace: Pace::new(&settings),
            operator: Override::Auto,
            epoch: 0,
            old_evidence: 0,
            telling: Telling::new(),
            settings,
        }
    }

    /// Asks for leave to make a call. `dice` is uniform and decides who is in the admitted share during the ramp.
    ///
    /// # Errors
    /// Why not, and until when.
    pub fn request_permit(&mut self, now: Time, dice: u32) -> Result<Permit, Denial> {
        self.settle(now);
        match self.operator {
            Override::Auto => self.admit(now, dice),
            Override::HoldOpen => Err(HELD_OPEN),
            Override::HoldClosed => Ok(self.permit(PermitKind::Normal)),
        }
    }

    /// A call came back. Reporting a permit twice counts twice, but can end a half-open state only once.
    pub fn handle_evidence(&mut self, permit: Permit, evidence: Evidence, now: Time) {
        self.settle(now);
        if permit.epoch != self.epoch {
            self.old_evidence += 1;
            return;
        }
        let counts = match evidence {
            Evidence::Success => Counts::answered(1, 0),
            Evidence::Slow => Counts::answered(1, 1),
            Evidence::Failure => Counts::FAILURE,
            Evidence::Abandoned => return self.free_probe(permit.kind),
        };
        self.weigh(counts, permit.kind, now);
    }

    /// `count` calls under normal permits of `epoch` were answered, `slow` of them slowly: the healthy path reports in
    /// batches.
    pub fn handle_successes(&mut self, epoch: u32, count: u32, slow: u32, now: Time) {
        self.settle(now);
        if epoch != self.epoch {
            self.old_evidence += u64::from(count);
        } else if count > 0 {
            self.weigh(Counts::answered(count, slow), PermitKind::Normal, now);
        }
    }

    /// The background prober's verdict. A failure is evidence like any other; an answer only ever ends the open state,
    /// because a healthy PING over a sick data path is not health.
    pub fn handle_probe(&mut self, result: ProbeResult, now: Time) {
        self.settle(now);
        match result {
            ProbeResult::Answered => self.apply(Event::Answered, now),
            ProbeResult::Failed => self.weigh(Counts::FAILURE, PermitKind::Probe, now),
        }
    }

    /// Time went by: call it at [`Self::next_timer`], or at any other time.
    pub fn handle_elapsed(&mut self, now: Time) {
        self.settle(now);
    }

    /// The operator wants something else.
    pub fn set_override(&mut self, operator: Override) {
        self.operator = operator;
    }

    /// The next transition to tell of.
    pub fn poll_transition(&mut self) -> Option<Transition> {
        self.telling.poll()
    }

    /// When time alone changes something; `None` if it never does.
    pub fn next_timer(&self) -> Option<Time> {
        self.state.next_timer(self.settings.probe_timeout)
    }

    /// What every caller would be told, to be published after each change.
    pub fn gate(&self) -> Gate {
        match self.operator {
            Override::Auto => self.observed_gate(),
            Override::HoldOpen => Gate::denying(HELD_OPEN),
            Override::HoldClosed => Gate::free(self.epoch),
        }
    }

    /// What the operator wants.
    pub fn operator(&self) -> Override {
        self.operator
    }

    /// What is observed, with its facts.
    pub fn state(&self) -> State {
        self.state
    }

    /// What is observed.
    pub fn state_name(&self) -> StateName {
        self.state.name()
    }

    /// The epoch permits are given in.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// What the window holds at `now`.
    pub fn counts(&self, now: Time) -> Counts {
        self.window.counts(now)
    }

    /// Reports that came back with an old epoch and were not obeyed.
    pub fn old_evidence(&self) -> u64 {
        self.old_evidence
    }

    /// Transitions nobody fetched before the bound was reached.
    pub fn lost_transitions(&self) -> u64 {
        self.telling.lost()
    }

    /// The settings it runs by.
    pub fn settings(&self) -> &CircuitSettings {
        &self.settings
    }

    fn admit(&mut self, now: Time, dice: u32) -> Result<Permit, Denial> {
        match self.state {
            State::Closed { .. } => Ok(self.permit(PermitKind::Normal)),
            State::Open { until, .. } => Err(Denial { reason: DenialReason::Open, retry_at: until }),
            State::HalfOpen { probe: Some(granted), .. } => Err(self.probing(granted)),
            State::HalfOpen { ref mut probe, .. } => {
                *probe = Some(now);
                Ok(self.permit(PermitKind::Probe))
            }
            State::Ramp { .. } => self.admit_share(now, dice),
        }
    }

    fn admit_share(&self, now: Time, dice: u32) -> Result<Permit, Denial> {
        let State::Ramp { since, span } = self.state else { return Ok(self.permit(PermitKind::Normal)) };
        let step = self.state.ramp_step(now).unwrap_or(RAMP_PERCENT.len());
        match RAMP_PERCENT.get(step) {
            Some(percent) if !in_share(dice, *percent) => {
                Err(Denial { reason: DenialReason::Ramping, retry_at: step_start(since, span, step + 1) })
            }
            Some(_) | None => Ok(self.permit(PermitKind::Normal)),
        }
    }

    fn permit(&self, kind: PermitKind) -> Permit {
        Permit { kind, epoch: self.epoch }
    }

    fn probing(&self, granted: Time) -> Denial {
        Denial { reason: DenialReason::Probing, retry_at: granted + self.settings.probe_timeout }
    }

    fn observed_gate(&self) -> Gate {
        match self.state {
            State::Closed { .. } => Gate::free(self.epoch),
            State::Open { until, .. } => Gate::denying(Denial { reason: DenialReason::Open, retry_at: until }),
            State::HalfOpen { probe: Some(granted), .. } => Gate::denying(self.probing(granted)),
            State::HalfOpen { probe: None, .. } | State::Ramp { .. } => Gate::ASK,
        }
    }

    /// Moves what only time moves.
    fn settle(&mut self, now: Time) {
        self.apply(Event::Elapsed, now);
        if let State::HalfOpen { probe: Some(granted), .. } = self.state
            && now >= granted + self.settings.probe_timeout
        {
            self.free_probe(PermitKind::Probe);
        }
    }

    /// Makes room for another probe. The new epoch makes whatever the former holder still reports old.
    fn free_probe(&mut self, kind: PermitKind) {
        let State::HalfOpen { probe, .. } = &mut self.state else { return };
        match kind {
            PermitKind::Normal => {}
            PermitKind::Probe => {
                *probe = None;
                self.epoch = self.epoch.wrapping_add(1);
            }
        }
    }

    /// Lets evidence of this epoch count, and move the state if it is enough to.
    fn weigh(&mut self, counts: Counts, kind: PermitKind, now: Time) {
        self.window.record(counts, now);
        let failed = counts.failures > 0;
        match self.state {
            State::Closed { .. } => self.judge(now),
            State::Open { .. } => {}
            State::HalfOpen { .. } if self.finds_out(kind) && failed => self.apply(Event::TrialFailed, now),
            State::HalfOpen { .. } if self.finds_out(kind) => self.apply(Event::TrialPassed, now),
            State::HalfOpen { .. } => {}
            State::Ramp { .. } if failed => self.apply(Event::Tripped(TripReason::RampFailed), now),
            State::Ramp { .. } => self.judge(now),
        }
    }

    /// Whether a half-open state takes this kind's word.
    fn finds_out(&self, kind: PermitKind) -> bool {
        match (kind, self.operator) {
            (PermitKind::Probe, _) | (PermitKind::Normal, Override::HoldClosed) => true,
            (PermitKind::Normal, Override::Auto | Override::HoldOpen) => false,
        }
    }

    fn judge(&mut self, now: Time) {
        if let Some(reason) = verdict::judge(self.window.counts(now), &self.settings) {
            self.apply(Event::Tripped(reason), now);
        }
    }

    fn apply(&mut self, event: Event, now: Time) {
        let Some(to) = self.state.next(event, now, &mut self.pace) else { return };
        let from = std::mem::replace(&mut self.state, to);
        self.epoch = self.epoch.wrapping_add(1);
        if to.name() == StateName::Ramp {
            // What was seen before the outage must not trip the circuit again on its way back.
            self.window.clear();
        }
        self.telling.note(&from, &to, now, self.epoch);
    }
}

const HELD_OPEN: Denial = Denial { reason: DenialReason::HeldOpen, retry_at: Time::NEVER };

/// Whether a uniform `dice` falls into the first `percent` of its range.
fn in_share(dice: u32, percent: u32) -> bool {
    u64::from(dice) * 100 < u64::from(percent) << 32
}
