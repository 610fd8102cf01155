//! The limits an origin is guarded by, and which of them are nonsense.
//!
//! A guard is total: any settings are safe, in that none lets more through than was written. What
//! [`GuardSettings::validate`] refuses would let nothing through at all.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How much load an origin may be given.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardSettings {
    /// Most loads started in any second, `None` for no such limit. Above 1, a fraction is rounded down; below 1, it is
    /// one load in `1 / max_rate` seconds. Default none.
    pub max_rate: Option<f64>,
    /// Most loads under way at once; the adaptive limit moves between 1 and this. Default 20.
    pub max_concurrency: u32,
    /// Most loads waiting. Default 1000.
    pub queue: u32,
    /// Longest a load may wait, whatever its deadline. Default 1 s.
    pub max_wait: Duration,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { max_rate: None, max_concurrency: 20, queue: 1_000, max_wait: Duration::from_secs(1) }
    }
}

impl GuardSettings {
    /// These settings, if they can be meant.
    ///
    /// # Errors
    /// Names the field that would let nothing through.
    pub fn validate(self) -> Result<Self, GuardSettingsError> {
        if self.max_concurrency == 0 {
            return Err(GuardSettingsError::NoConcurrency);
        }
        match self.max_rate {
            Some(rate) if !(rate.is_finite() && rate > 0.0) => Err(GuardSettingsError::NotARate { rate }),
            Some(_) | None => Ok(self),
        }
    }
}

/// Why settings cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GuardSettingsError {
    /// `max_concurrency` is zero.
    NoConcurrency,
    /// `max_rate` is not a positive number.
    NotARate {
        /// What it was.
        rate: f64,
    },
}

impl fmt::Display for GuardSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConcurrency => f.write_str("max_concurrency must not be zero"),
            Self::NotARate { rate } => write!(f, "max_rate must be a positive number, not {rate}"),
        }
    }
}

impl Error for GuardSettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_let_nothing_through_is_refused() {
        let defaults = GuardSettings::default();
        assert!(defaults.clone().validate().is_ok());
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = GuardSettings { max_rate: Some(rate), ..defaults.clone() }.validate();
            assert!(matches!(refused, Err(GuardSettingsError::NotARate { .. })), "{rate}");
        }
        let none = GuardSettings { max_concurrency: 0, ..defaults };
        assert_eq!(none.validate(), Err(GuardSettingsError::NoConcurrency));
    }
}
