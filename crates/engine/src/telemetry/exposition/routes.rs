//! What requests came to: over all routes, and for each.

use failsoft_core::mode::Mode;
use failsoft_core::outage::OnOutage;
use failsoft_core::{Tier, TierSet};

use super::page::Page;
use crate::route::Route;
use crate::telemetry::catalogue::Metric;
use crate::telemetry::route::Status;
use crate::telemetry::totals::Sums;
use crate::world::World;

/// The figures whose names are a contract.
pub(super) fn tell_all(page: &mut Page, world: &World, sums: &Sums) {
    let view = world.deployment().view();
    page.sample(Metric::SlotsAssigned, &[], view.slots_assigned());
    page.sample(Metric::SlotsOk, &[], view.slots_ok());
    let statuses = Status::ALL.iter().zip(sums.statuses).map(|(status, count)| (status.name(), count));
    page.samples_by(Metric::RoutingAttempts, &[], statuses);
    page.histogram(Metric::RoutingLatency, &[], &sums.latency);
}

/// The figures of each route, plain Redis included.
pub(super) fn tell_each(page: &mut Page, world: &World) {
    world.routes().for_each(|(_, route)| tell(page, route));
}

/// The tiers that may answer on a route: a rate limit is no read, and may be answered here all the same.
fn answering(route: &Route) -> TierSet {
    let tiers = route.through.tiers;
    match route.on_outage {
        OnOutage::Closed => tiers,
        OnOutage::Open => tiers.with(Tier::Default),
        OnOutage::Local => tiers.with(Tier::Local),
    }
}

fn tell(page: &mut Page, route: &Route) {
    let (name, stats) = (route.name.as_ref(), &route.stats);
    let statuses = Status::ALL.map(|status| (status.name(), stats.status(status)));
    page.samples_by(Metric::Requests, &[name], statuses);
    page.histogram(Metric::RequestDuration, &[name], &stats.latency().snapshot());
    let answers = answering(route).iter().map(|tier| (tier.name(), stats.answers(tier)));
    page.samples_by(Metric::Answers, &[name], answers);
    for tier in Tier::ALL {
        for ((outcome, reason), count) in stats.outcomes(tier) {
            page.sample(Metric::Outcomes, &[name, tier.name(), outcome, reason], count);
        }
    }
    page.sample(Metric::StaleAnswers, &[name], stats.stale());
    page.samples_by(Metric::Errors, &[name], stats.errors());
    let present = route.mode.get();
    page.samples_by(Metric::Mode, &[name], Mode::ALL.map(|mode| (mode.name(), u64::from(mode == present))));
    page.sample(Metric::ModeChanges, &[name], stats.mode_changes());
}
