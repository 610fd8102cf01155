//! Whether what the window holds is enough to trip, and why.
//!
//! Three thresholds, asked in the order in which an operator would want the reason named: a count of failures (which
//! needs no minimum of calls, so that a quiet node is isolated too), a share of failures, a share of slow calls. The
//! shares need `min_calls`, or the first slow call of the morning would be 100 %.

use std::fmt;

use super::evidence::Counts;
use super::settings::CircuitSettings;

/// Why a circuit opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripReason {
    /// Enough failures inside the window.
    FailureCount,
    /// Too large a share of the calls failed.
    FailureRatio,
    /// Too large a share of the calls was slow.
    SlowRatio,
    /// The one probe of the half-open state failed.
    ProbeFailed,
    /// A call failed while traffic was coming back in steps.
    RampFailed,
}

impl TripReason {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FailureCount => "failure-count",
            Self::FailureRatio => "failure-ratio",
            Self::SlowRatio => "slow-ratio",
            Self::ProbeFailed => "probe-failed",
            Self::RampFailed => "ramp-failed",
        }
    }
}

impl fmt::Display for TripReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The reason to trip that `counts` gives, if any.
pub(super) fn judge(counts: Counts, settings: &CircuitSettings) -> Option<TripReason> {
    if counts.failures >= u64::from(settings.failures.max(1)) {
        return Some(TripReason::FailureCount);
    }
    if counts.calls < u64::from(settings.min_calls) {
        return None;
    }
    if reaches(counts.failures, counts.calls, settings.failure_ratio) {
        return Some(TripReason::FailureRatio);
    }
    reaches(counts.slow, counts.calls, settings.slow_ratio).then_some(TripReason::SlowRatio)
}

/// None of something is no share of it, whatever the ratio.
fn reaches(part: u64, whole: u64, ratio: f64) -> bool {
    part > 0 && part as f64 >= ratio * whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> CircuitSettings {
        CircuitSettings { failures: 15, ..CircuitSettings::default() }
    }

    fn verdict(calls: u64, failures: u64, slow: u64) -> Option<TripReason> {
        judge(Counts { calls, failures, slow }, &settings())
    }

    #[test]
    fn a_count_of_failures_needs_no_minimum_of_calls() {
        assert_eq!(verdict(15, 15, 0), Some(TripReason::FailureCount));
        assert_eq!(verdict(14, 14, 0), None);
    }

    #[test]
    fn shares_are_trusted_from_the_minimum_of_calls_on() {
        assert_eq!(verdict(19, 10, 0), None);
        assert_eq!(verdict(20, 10, 0), Some(TripReason::FailureRatio));
        assert_eq!(verdict(20, 9, 0), None);
        assert_eq!(verdict(20, 0, 16), Some(TripReason::SlowRatio));
        assert_eq!(verdict(20, 0, 15), None);
        assert_eq!(verdict(19, 0, 19), None);
    }

    #[test]
    fn failures_are_named_before_slowness() {
        assert_eq!(verdict(20, 14, 20), Some(TripReason::FailureRatio));
    }

    #[test]
    fn settings_of_zero_do_not_trip_a_place_without_a_failure() {
        let zeros = CircuitSettings { failures: 0, failure_ratio: 0.0, slow_ratio: 0.0, min_calls: 0, ..settings() };
        assert_eq!(judge(Counts::default(), &zeros), None);
        assert_eq!(judge(Counts::answered(100, 0), &zeros), None);
    }
}
