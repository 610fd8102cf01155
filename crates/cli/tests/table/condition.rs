//! The columns of the table: how Redis is while the commands are asked.

use crate::common::Settings;

/// How Redis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    Healthy,
    Refused,
    Loading,
    Full,
    Silent,
    Isolated,
    FailingOver,
    Recovering,
}

impl Condition {
    pub const ALL: [Self; 8] = [
        Self::Healthy,
        Self::Refused,
        Self::Loading,
        Self::Full,
        Self::Silent,
        Self::Isolated,
        Self::FailingOver,
        Self::Recovering,
    ];

    /// How the page calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Refused => "refused",
            Self::Loading => "loading",
            Self::Full => "full",
            Self::Silent => "silent",
            Self::Isolated => "isolated",
            Self::FailingOver => "failing over",
            Self::Recovering => "recovering",
        }
    }

    /// What it is, for the page.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Healthy => "all is well",
            Self::Refused => "Redis has been killed (`SIGKILL`); the circuit is open",
            Self::Loading => "Redis answers every command with `LOADING`; the circuit is kept closed",
            Self::Full => {
                "Redis has no memory left (`maxmemory`, `noeviction`): it refuses writes with `OOM`, all but deletions"
            }
            Self::Silent => {
                "Redis has just been stopped (`SIGSTOP`); each command is sent and not answered. When it goes on it carries out what it was sent"
            }
            Self::Isolated => "Redis is stopped, and the circuit is open: nothing is sent",
            Self::FailingOver => {
                "under sentinels, the primary has been killed and its replica is not promoted yet; what is shown of the data is what the promoted replica holds"
            }
            Self::Recovering => {
                "Redis is back with what it held before; while it was away `DEL` was asked for each key of the cache routes; the circuit is still open"
            }
        }
    }

    /// Whether the primary carries out nothing that it is asked.
    pub fn is_away(self) -> bool {
        match self {
            Self::Healthy | Self::Full => false,
            Self::Refused | Self::Loading | Self::Silent => true,
            Self::Isolated | Self::FailingOver | Self::Recovering => true,
        }
    }

    /// What the sidecar is told so that the condition lasts, whatever a busy machine does.
    pub fn settings(self, usual: Settings) -> Settings {
        let settings = patient(usual);
        match self {
            Self::Healthy | Self::Loading | Self::Full => settings.without_circuit(),
            Self::Refused | Self::FailingOver => settings,
            Self::Silent => impatient(settings).without_circuit(),
            Self::Isolated => impatient(settings),
            Self::Recovering => settings.set("breaker.cooldown", HELD).set("breaker.probe_cooldown", HELD),
        }
    }
}

/// How long the circuit stays open although Redis is back.
const HELD: &str = "'12s'";

fn patient(settings: Settings) -> Settings {
    let waits = ["redis.timeout", "redis.connect_timeout", "request.deadline"];
    let at_the_origin = ["origins.rows.timeout", "origins.rows.max_wait"];
    let settings = waits.into_iter().chain(at_the_origin).fold(settings, |settings, key| settings.set(key, "'10s'"));
    settings.set("breaker.slow_call", "'1m'")
}

fn impatient(settings: Settings) -> Settings {
    settings.set("redis.timeout", "'1s'").set("redis.connect_timeout", "'500ms'").set("request.deadline", "'8s'")
}
