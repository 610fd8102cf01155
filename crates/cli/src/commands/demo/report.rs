//! What was seen, phase by phase: what the table shows, the promises are held against, and `--json` prints.

use std::time::Duration;

use failsoft_core::Tier;
use serde_json::{Map, Value, json};

use super::plan::{CAP, Phase};
use super::tally::Tally;

/// The whole play.
#[derive(Debug)]
pub(super) struct Report {
    /// Reads per second on each side.
    pub(super) rate: u32,
    pub(super) acts: Vec<Act>,
}

/// One phase of it.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) phase: Phase,
    pub(super) lasted: Duration,
    /// Whether traffic flowed to a primary for every key when the phase ended.
    pub(super) is_redis_trusted: bool,
    pub(super) failsoft: Tally,
    /// Answers by tier as failsoft counts them, in the order of [`Tier::ALL`]; `None` if it did not say.
    pub(super) tiers: Option<[u64; Tier::ALL.len()]>,
    /// Redirections that failsoft has followed; `None` if it did not say.
    pub(super) redirects: Option<u64>,
    /// The most statements in a second, as SQLite counts them; `None` if nobody said.
    pub(super) origin_peak: Option<u64>,
    pub(super) aside: Tally,
    /// The most times in a second that the database beside failsoft was asked.
    pub(super) aside_peak: u64,
}

impl Act {
    /// The share of each tier that answered at all, from 0 to 1, in the order of tiers.
    pub(super) fn tier_shares(&self) -> Vec<(Tier, f64)> {
        let counts = self.tiers.unwrap_or_default();
        let all: u64 = counts.iter().sum();
        let shares = Tier::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        shares.map(|(tier, count)| (tier, count as f64 / all as f64)).collect()
    }
}

impl Report {
    /// As `--json` prints it. Latencies are in milliseconds, shares from 0 to 1.
    pub(super) fn json(&self) -> Value {
        json!({
            "reads_per_second": self.rate,
            "origin_cap_per_second": CAP,
            "phases": self.acts.iter().map(act).collect::<Vec<_>>(),
            "broken": super::promises::broken(self).iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn act(act: &Act) -> Value {
    let tiers: Map<String, Value> =
        act.tier_shares().into_iter().map(|(tier, share)| (tier.name().to_owned(), share.into())).collect();
    let mut failsoft = side(&act.failsoft);
    failsoft.insert("tier_shares".to_owned(), tiers.into());
    failsoft.insert("origin_peak_per_second".to_owned(), act.origin_peak.into());
    failsoft.insert("redirects".to_owned(), act.redirects.into());
    let mut aside = side(&act.aside);
    aside.insert("database_asked_peak_per_second".to_owned(), act.aside_peak.into());
    json!({
        "phase": act.phase.name,
        "seconds": act.lasted.as_secs_f64(),
        "redis_trusted_at_end": act.is_redis_trusted,
        "failsoft": failsoft,
        "cache_aside": aside,
    })
}

fn side(tally: &Tally) -> Map<String, Value> {
    let milliseconds = |latency: Option<Duration>| Value::from(latency.map(|latency| latency.as_secs_f64() * 1000.0));
    let members = [
        ("reads", tally.reads().into()),
        ("answered", tally.answered().into()),
        ("answered_share", tally.answered_share().into()),
        ("by_default", tally.by_default.into()),
        ("wrong", tally.wrong.into()),
        ("first_wrong", tally.first_wrong.clone().into()),
        ("first_error", tally.first_error.clone().into()),
        ("p50_ms", milliseconds(tally.latency(500))),
        ("p99_ms", milliseconds(tally.latency(990))),
        ("max_ms", milliseconds(tally.latency(1000))),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
