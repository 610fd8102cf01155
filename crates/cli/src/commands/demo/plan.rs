//! The play: phases, each of which opens with what is done to Redis.
//!
//! Reads go on through all of them without a pause, and every read belongs to the phase in which it was due, so
//! nothing that happens between two phases is left out of the table.

use std::time::Duration;

/// What the origin may be asked per second, in the settings of failsoft and in the capacity of the database beside it.
pub(super) const CAP: u32 = 500;

/// How long reads go on, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// What is played.
    pub(super) play: Play,
    /// The shortest time of a phase.
    pub(super) phase: Duration,
    /// Reads per second on each side.
    pub(super) rate: u32,
}

/// What is played, and before which Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Play {
    /// Three primaries with a replica each, which replace each other.
    Cluster,
    /// One primary with a replica that nobody promotes.
    Standalone,
}

/// A part of the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    /// What opens it.
    pub(super) deed: Deed,
    pub(super) until: Until,
}

/// What is done to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Nothing,
    /// SIGKILL for one primary.
    KillPrimary,
    /// SIGSTOP for one primary: it takes connections and says nothing.
    PausePrimary,
    /// Slots go from one primary to another, with their keys. What was killed is started again.
    MoveSlots,
    /// SIGKILL for everything that is left.
    KillRest,
    /// Everything is started again and loads what was on disk.
    Restart,
    /// All data are gone.
    Empty,
}

/// When a phase may end, apart from its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Its time is over.
    TimeIsUp,
    /// Traffic flows to a primary for every key again as well.
    RedisIsTrusted,
}

const fn phase(name: &'static str, deed: Deed, until: Until) -> Phase {
    Phase { name, deed, until }
}

const CLUSTER: &[Phase] = &[
    phase("warm", Deed::Nothing, Until::TimeIsUp),
    phase("healthy", Deed::Nothing, Until::TimeIsUp),
    phase("primary killed", Deed::KillPrimary, Until::RedisIsTrusted),
    phase("slots moving", Deed::MoveSlots, Until::RedisIsTrusted),
    phase("primary paused", Deed::PausePrimary, Until::RedisIsTrusted),
    phase("all killed", Deed::KillRest, Until::TimeIsUp),
    phase("restarted", Deed::Restart, Until::RedisIsTrusted),
    phase("emptied", Deed::Empty, Until::TimeIsUp),
    phase("recovered", Deed::Nothing, Until::TimeIsUp),
];

const STANDALONE: &[Phase] = &[
    phase("warm", Deed::Nothing, Until::TimeIsUp),
    phase("healthy", Deed::Nothing, Until::TimeIsUp),
    phase("primary killed", Deed::KillPrimary, Until::TimeIsUp),
    phase("both killed", Deed::KillRest, Until::TimeIsUp),
    phase("restarted", Deed::Restart, Until::RedisIsTrusted),
    phase("primary paused", Deed::PausePrimary, Until::TimeIsUp),
    phase("restored empty", Deed::Empty, Until::RedisIsTrusted),
    phase("recovered", Deed::Nothing, Until::TimeIsUp),
];

impl Play {
    /// Its phases, in order.
    pub(super) fn phases(self) -> &'static [Phase] {
        match self {
            Self::Cluster => CLUSTER,
            Self::Standalone => STANDALONE,
        }
    }

    /// How many servers it needs, and how many addresses each of them.
    pub(super) fn addresses(self) -> usize {
        match self {
            Self::Cluster => 12,
            Self::Standalone => 2,
        }
    }
}
