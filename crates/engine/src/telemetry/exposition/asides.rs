//! Who makes values, on routes whose callers do it themselves.

use failsoft_core::guard::ShedReason;
use failsoft_core::leases::{Ended, MOST_UNSET, PassReason};

use super::page::Page;
use crate::telemetry::catalogue::Metric;
use crate::tier::aside::{Aside, LATE, SHED_BESIDE_GUARD, WaitResult};
use crate::world::World;

/// The reasons for going on without a lease.
const PASSED: [&str; 4] = [PassReason::Own.name(), PassReason::Unset.name(), PassReason::FULL, LATE];

pub(super) fn tell(page: &mut Page, world: &World) {
    for (_, route) in world.routes() {
        if let Some(aside) = &route.aside {
            let values = [route.name.as_ref()];
            tell_callers(page, &values, aside);
            tell_tables(page, &values, aside);
            if let Some(max_misses) = aside.settings().max_misses {
                page.sample(Metric::LeaseMaxMisses, &values, world.limits().fleet().share_of(max_misses));
            }
        }
    }
}

fn tell_callers(page: &mut Page, values: &[&str], aside: &Aside) {
    let stats = aside.stats();
    page.sample(Metric::LeaseGranted, values, stats.granted.get());
    page.samples_by_known(Metric::LeasePassed, values, &stats.passed.snapshot(), PASSED);
    page.samples_by_known(Metric::LeaseWaits, values, &stats.waits.snapshot(), WaitResult::ALL.map(WaitResult::name));
    let reasons = ShedReason::ALL.map(ShedReason::name).into_iter().chain(SHED_BESIDE_GUARD);
    page.samples_by_known(Metric::LeaseShed, values, &stats.shed.snapshot(), reasons);
}

fn tell_tables(page: &mut Page, values: &[&str], aside: &Aside) {
    let tables = aside.lease_stats();
    let ended = Ended::ALL.iter().zip(tables.ended).map(|(how, count)| (how.name(), count));
    page.samples_by(Metric::LeaseEnded, values, ended);
    page.sample(Metric::LeasesHeld, values, tables.held);
    page.sample(Metric::LeasesMaxHeld, values, tables.max_held);
    page.sample(Metric::LeaseWaiting, values, tables.waiting);
    page.sample(Metric::LeaseMaxWaiting, values, tables.max_waiting);
    page.sample(Metric::LeaseUncacheable, values, tables.unset as u64);
    page.sample(Metric::LeaseMaxUncacheable, values, MOST_UNSET as u64);
    if let Some(budget) = aside.budget_stats() {
        page.sample(Metric::LeaseQueued, values, budget.queued);
        page.sample(Metric::LeaseMaxQueued, values, budget.queue_bound);
    }
}
