//! The play: eight phases, each of which opens with what is done to Redis.
//!
//! Reads go on through all of them without a pause, and every read belongs to the phase in which it was due, so
//! nothing that happens between two phases is left out of the table.

use std::time::Duration;

/// What the origin may be asked per second, in the settings of failsoft and in the capacity of the database beside it.
pub(super) const CAP: u32 = 500;

/// How long reads go on, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// The shortest time of a phase.
    pub(super) phase: Duration,
    /// Reads per second on each side.
    pub(super) rate: u32,
}

impl Plan {
    pub(super) fn new(seconds: u16, rate: u32) -> Self {
        Self { phase: Duration::from_secs(seconds.into()), rate }
    }
}

/// A part of the play, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Redis is full, failsoft's own memory empty.
    Warm,
    /// Nothing is wrong.
    Healthy,
    /// The primary is gone (SIGKILL); the replica is not promoted.
    PrimaryKilled,
    /// The replica is gone as well.
    BothKilled,
    /// Both are started again and have loaded what was on disk.
    Restarted,
    /// The primary is stopped (SIGSTOP): it takes connections and says nothing.
    PrimaryPaused,
    /// The primary is killed and started without data, and the replica follows it into emptiness.
    RestoredEmpty,
    /// The circuit of the primary is closed again.
    Recovered,
}

/// When a phase may end, apart from its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Its time is over.
    TimeIsUp,
    /// Traffic flows to the primary again as well.
    PrimaryIsTrusted,
}

impl Phase {
    pub(super) const COUNT: usize = 8;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Warm,
        Self::Healthy,
        Self::PrimaryKilled,
        Self::BothKilled,
        Self::Restarted,
        Self::PrimaryPaused,
        Self::RestoredEmpty,
        Self::Recovered,
    ];

    /// Its place in the play, from 0.
    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Healthy => "healthy",
            Self::PrimaryKilled => "primary killed",
            Self::BothKilled => "both killed",
            Self::Restarted => "restarted",
            Self::PrimaryPaused => "primary paused",
            Self::RestoredEmpty => "restored empty",
            Self::Recovered => "recovered",
        }
    }

    pub(super) fn until(self) -> Until {
        match self {
            Self::Restarted | Self::RestoredEmpty => Until::PrimaryIsTrusted,
            Self::Warm
            | Self::Healthy
            | Self::PrimaryKilled
            | Self::BothKilled
            | Self::PrimaryPaused
            | Self::Recovered => Until::TimeIsUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_phase_is_its_place_in_the_play() {
        let places: Vec<usize> = Phase::ALL.iter().map(|phase| phase.index()).collect();
        assert_eq!(places, (0..Phase::COUNT).collect::<Vec<_>>());
    }
}
