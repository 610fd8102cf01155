//! What the origins have to bear, beside what they may have to bear.

use failsoft_core::guard::ShedReason;

use super::page::Page;
use super::{CircuitMetrics, tell_circuit};
use crate::settings::Settings;
use crate::telemetry::catalogue::Metric;
use crate::tier::origin::OriginTier;
use crate::world::World;

/// The reason for shedding that is not the guard's.
const TOO_MANY_KEYS: &str = "too_many_keys";
const CIRCUIT: CircuitMetrics = CircuitMetrics {
    state: Metric::OriginCircuitState,
    transitions: Metric::OriginCircuitTransitions,
    opened: Metric::OriginCircuitOpened,
};

pub(super) fn tell(page: &mut Page, world: &World, settings: &Settings) {
    for origin in world.origins() {
        let values = [origin.name().as_ref()];
        tell_circuit(page, &CIRCUIT, &values, origin.health());
        tell_loads(page, &values, origin);
        tell_guard(page, &values, origin);
        let written = settings.origins().iter().find(|written| written.name() == origin.name());
        if let Some(max_rate) = written.and_then(|written| written.max_rate()) {
            page.sample(Metric::OriginMaxRate, &values, world.limits().fleet().share_of(max_rate));
        }
    }
}

fn tell_loads(page: &mut Page, values: &[&str], origin: &OriginTier) {
    let stats = origin.stats();
    page.samples_by(Metric::OriginLoads, values, stats.loads.snapshot());
    page.sample(Metric::OriginStatements, values, origin.statements());
    page.sample(Metric::OriginCoalesced, values, stats.coalesced.get());
    let reasons = ShedReason::ALL.map(ShedReason::name).into_iter().chain([TOO_MANY_KEYS]);
    page.samples_by_known(Metric::OriginShed, values, &stats.shed.snapshot(), reasons);
    page.histogram(Metric::OriginLoadDuration, values, &stats.latency.snapshot());
    page.histogram(Metric::OriginQueueingDuration, values, &stats.queueing.snapshot());
}

fn tell_guard(page: &mut Page, values: &[&str], origin: &OriginTier) {
    let guard = origin.guard_stats();
    page.sample(Metric::OriginInFlight, values, guard.in_flight);
    page.sample(Metric::OriginConcurrencyLimit, values, guard.limit);
    page.sample(Metric::OriginMaxConcurrency, values, guard.max_concurrency);
    page.sample(Metric::OriginQueued, values, guard.queued);
    page.sample(Metric::OriginMaxQueued, values, guard.queue_bound);
    if let Some(tokens) = guard.tokens {
        page.sample(Metric::OriginTokens, values, tokens);
    }
}
