//! The part of a circuit that every call needs, in one word.
//!
//! An engine keeps the circuit behind a lock and publishes its gate in an `AtomicU64` after every change. A call then
//! reads the word: go with this permit, or do not until then, or ask the circuit itself. Only half-open and ramping
//! circuits, and open ones whose time has come, need the lock.
//!
//! Layout: the low byte says what the other 56 bits are: an epoch, or a time in units of 256 ns, rounded down, so
//! that a denial ends at most that much early and the circuit then has the exact word. An unknown low byte
//! means *ask*, and so does the word 0.

use std::fmt;

use super::{Permit, PermitKind};
use crate::time::Time;

/// Why no permit is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// The circuit is open.
    Open,
    /// The circuit is half-open and its one probe is under way.
    Probing,
    /// Traffic is coming back in steps and this call is not in the admitted share.
    Ramping,
    /// An operator holds the circuit open.
    HeldOpen,
}

impl DenialReason {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "circuit-open",
            Self::Probing => "circuit-probing",
            Self::Ramping => "circuit-ramping",
            Self::HeldOpen => "circuit-held-open",
        }
    }
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No permit, and when asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// Until then only news about the place, or an operator, can change the answer; [`Time::NEVER`]: only those.
    pub retry_at: Time,
}

/// What a circuit would tell every caller, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate(u64);

const TAG_BITS: u32 = 8;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const ASK: u64 = 0;
const FREE: u64 = 1;
const OPEN: u64 = 2;
const PROBING: u64 = 3;
const RAMPING: u64 = 4;
const HELD_OPEN: u64 = 5;

impl Gate {
    /// Every caller must ask the circuit.
    pub const ASK: Self = Self(ASK);

    /// Every caller may go.
    pub(super) const fn free(epoch: u32) -> Self {
        Self((epoch as u64) << TAG_BITS | FREE)
    }

    /// No caller may go before the denial's time.
    pub(super) const fn denying(denial: Denial) -> Self {
        let tag = match denial.reason {
            DenialReason::Open => OPEN,
            DenialReason::Probing => PROBING,
            DenialReason::Ramping => RAMPING,
            DenialReason::HeldOpen => HELD_OPEN,
        };
        Self(denial.retry_at.as_nanos() & !TAG_MASK | tag)
    }

    /// The gate as a word to publish.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The gate a published word stands for.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The permit every caller may take without asking, if the gate is that open.
    pub const fn admits_freely(self) -> Option<Permit> {
        match self.0 & TAG_MASK {
            // The epoch was widened from 32 bits, so the cast loses nothing.
            FREE => Some(Permit { kind: PermitKind::Normal, epoch: (self.0 >> TAG_BITS) as u32 }),
            _ => None,
        }
    }

    /// The denial every caller gets without asking, if the gate is that shut at `now`.
    pub fn denies(self, now: Time) -> Option<Denial> {
        let reason = match self.0 & TAG_MASK {
            OPEN => DenialReason::Open,
            PROBING => DenialReason::Probing,
            RAMPING => DenialReason::Ramping,
            HELD_OPEN => DenialReason::HeldOpen,
            _ => return None,
        };
        let retry_at = self.coarse_time();
        (now < retry_at).then_some(Denial { reason, retry_at })
    }

    fn coarse_time(self) -> Time {
        let nanos = self.0 & !TAG_MASK;
        if nanos == !TAG_MASK { Time::NEVER } else { Time::from_nanos(nanos) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const REASONS: [DenialReason; 4] =
        [DenialReason::Open, DenialReason::Probing, DenialReason::Ramping, DenialReason::HeldOpen];

    proptest! {
        #[test]
        fn a_word_brings_the_epoch_back(epoch: u32) {
            let gate = Gate::from_bits(Gate::free(epoch).to_bits());
            prop_assert_eq!(gate.admits_freely(), Some(Permit { kind: PermitKind::Normal, epoch }));
            prop_assert_eq!(gate.denies(Time::ZERO), None);
        }

        #[test]
        fn a_word_brings_the_denial_back_and_never_denies_too_long(nanos in 256..u64::MAX - 256, reason in 0..4usize) {
            let retry_at = Time::from_nanos(nanos);
            let gate = Gate::from_bits(Gate::denying(Denial { reason: REASONS[reason], retry_at }).to_bits());
            let denial = gate.denies(Time::ZERO).unwrap();
            prop_assert_eq!(denial.reason, REASONS[reason]);
            prop_assert!(denial.retry_at <= retry_at);
            prop_assert!(retry_at.since(denial.retry_at).as_nanos() < 256);
            prop_assert_eq!(gate.denies(retry_at), None);
            prop_assert_eq!(gate.admits_freely(), None);
        }

        #[test]
        fn a_word_never_both_admits_and_denies(bits: u64) {
            let gate = Gate::from_bits(bits);
            prop_assert!(gate.admits_freely().is_none() || gate.denies(Time::ZERO).is_none());
        }
    }

    #[test]
    fn an_unpublished_word_sends_everybody_to_the_circuit() {
        assert_eq!(Gate::from_bits(0), Gate::ASK);
        assert_eq!((Gate::ASK.admits_freely(), Gate::ASK.denies(Time::ZERO)), (None, None));
    }

    #[test]
    fn never_stays_never() {
        let held = Denial { reason: DenialReason::HeldOpen, retry_at: Time::NEVER };
        assert_eq!(Gate::denying(held).denies(Time::ZERO), Some(held));
    }
}
