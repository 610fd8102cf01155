//! The numbers a circuit is run by, their defaults, and which combinations are nonsense.
//!
//! The fields are public and plain, because a simulation wants to sweep them. A circuit is total: no value makes it
//! panic or admit a second probe. What [`CircuitSettings::validate`] refuses is what no operator can have meant,
//! such as a circuit that is open before its first call.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::Evidence;

/// When a circuit trips, and how it finds its way back.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitSettings {
    /// Failures inside the window that trip, however many calls went well. Default 5.
    pub failures: u32,
    /// How far back evidence counts. Default 10 s.
    pub window: Duration,
    /// Share of failed calls in the window that trips, once there are `min_calls`; above 0, at most 1. Default 0.5.
    pub failure_ratio: f64,
    /// Share of slow calls in the window that trips, once there are `min_calls`; above 0, at most 1. Default 0.8.
    pub slow_ratio: f64,
    /// An answered call that took this long is slow; it counts for `slow_ratio` only. Default 100 ms.
    pub slow_call: Duration,
    /// Calls in the window below which no share is trusted. Default 20.
    pub min_calls: u32,
    /// How long the circuit stays open when nobody probes in the background. Default 30 s.
    pub cooldown: Duration,
    /// How soon after opening an answered background probe may end the open state. Default 1 s.
    pub probe_cooldown: Duration,
    /// After this long a probe permit whose holder never reported is written off. Default 2 s.
    pub probe_timeout: Duration,
    /// How long the steps from the first answered probe to full traffic take together. Default 2 s.
    pub ramp: Duration,
    /// What flapping can lengthen `cooldown` and `ramp` to. Default 5 min.
    pub max_cooldown: Duration,
    /// Staying closed this long makes earlier trips forgotten. Default 60 s.
    pub forgive_after: Duration,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(10),
            failure_ratio: 0.5,
            slow_ratio: 0.8,
            slow_call: Duration::from_millis(100),
            min_calls: 20,
            cooldown: Duration::from_secs(30),
            probe_cooldown: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(2),
            ramp: Duration::from_secs(2),
            max_cooldown: Duration::from_secs(300),
            forgive_after: Duration::from_secs(60),
        }
    }
}

impl CircuitSettings {
    /// These settings, if they can be meant.
    ///
    /// # Errors
    /// Names the first field that cannot be, and why.
    pub fn validate(self) -> Result<Self, CircuitSettingsError> {
        self.check_present()?;
        check_ratio("failure_ratio", self.failure_ratio)?;
        check_ratio("slow_ratio", self.slow_ratio)?;
        check_order(("probe_cooldown", self.probe_cooldown), ("cooldown", self.cooldown))?;
        check_order(("cooldown", self.cooldown), ("max_cooldown", self.max_cooldown))?;
        check_order(("ramp", self.ramp), ("max_cooldown", self.max_cooldown))?;
        Ok(self)
    }

    /// What an answered call that took `took` says about the place it was made to.
    pub fn evidence_of(&self, took: Duration) -> Evidence {
        if took >= self.slow_call { Evidence::Slow } else { Evidence::Success }
    }

    /// A zero in any of these opens the circuit at once or never lets it go on. A zero `probe_cooldown`, `ramp` or
    /// `forgive_after` switches that step off, which can be meant.
    fn check_present(&self) -> Result<(), CircuitSettingsError> {
        let zero = [
            ("failures", self.failures == 0),
            ("window", self.window.is_zero()),
            ("slow_call", self.slow_call.is_zero()),
            ("min_calls", self.min_calls == 0),
            ("cooldown", self.cooldown.is_zero()),
            ("probe_timeout", self.probe_timeout.is_zero()),
        ];
        match zero.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((setting, _)) => Err(CircuitSettingsError::Zero { setting }),
            None => Ok(()),
        }
    }
}

fn check_ratio(setting: &'static str, value: f64) -> Result<(), CircuitSettingsError> {
    if value > 0.0 && value <= 1.0 { Ok(()) } else { Err(CircuitSettingsError::NotAShare { setting, value }) }
}

fn check_order(
    (setting, value): (&'static str, Duration),
    (limit, most): (&'static str, Duration),
) -> Result<(), CircuitSettingsError> {
    if value <= most { Ok(()) } else { Err(CircuitSettingsError::Above { setting, limit }) }
}

/// Why settings cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CircuitSettingsError {
    /// The field must not be zero.
    Zero {
        /// The field.
        setting: &'static str,
    },
    /// The field is a share and not above 0 and at most 1.
    NotAShare {
        /// The field.
        setting: &'static str,
        /// What it was.
        value: f64,
    },
    /// The field is longer than the field that bounds it.
    Above {
        /// The field.
        setting: &'static str,
        /// The field that bounds it.
        limit: &'static str,
    },
}

impl fmt::Display for CircuitSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { setting } => write!(f, "{setting} must not be zero"),
            Self::NotAShare { setting, value } => write!(f, "{setting} must be above 0 and at most 1, not {value}"),
            Self::Above { setting, limit } => write!(f, "{setting} must not be longer than {limit}"),
        }
    }
}

impl Error for CircuitSettingsError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(change: impl FnOnce(&mut CircuitSettings)) -> CircuitSettingsError {
        let mut settings = CircuitSettings::default();
        change(&mut settings);
        settings.validate().unwrap_err()
    }

    #[test]
    fn the_defaults_are_fine() {
        assert!(CircuitSettings::default().validate().is_ok());
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert_eq!(refused(|s| s.failures = 0), CircuitSettingsError::Zero { setting: "failures" });
        assert_eq!(refused(|s| s.window = Duration::ZERO), CircuitSettingsError::Zero { setting: "window" });
        assert_eq!(
            refused(|s| s.slow_ratio = 1.5),
            CircuitSettingsError::NotAShare { setting: "slow_ratio", value: 1.5 }
        );
        assert!(refused(|s| s.failure_ratio = f64::NAN).to_string().starts_with("failure_ratio must be above 0"));
        assert_eq!(
            refused(|s| s.cooldown = Duration::from_secs(301)),
            CircuitSettingsError::Above { setting: "cooldown", limit: "max_cooldown" }
        );
        assert_eq!(
            refused(|s| s.probe_cooldown = Duration::from_secs(31)).to_string(),
            "probe_cooldown must not be longer than cooldown"
        );
    }

    #[test]
    fn a_call_is_slow_from_the_limit_on() {
        let settings = CircuitSettings::default();
        assert_eq!(settings.evidence_of(Duration::from_millis(100)), Evidence::Slow);
        assert_eq!(settings.evidence_of(Duration::from_nanos(99_999_999)), Evidence::Success);
    }
}
