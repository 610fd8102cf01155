//! Rate limits: who decided, what is remembered for when Redis is away, and how many share it.

use failsoft_core::role::Role;

use super::page::Page;
use crate::primitive::MOST_KEYS;
use crate::primitive::fleet::Beat;
use crate::primitive::limit::{Basis, Decided};
use crate::telemetry::catalogue::Metric;
use crate::world::World;

pub(super) fn tell(page: &mut Page, world: &World) {
    for (_, route) in world.routes().filter(|(_, route)| route.role == Role::RateLimit) {
        for basis in Basis::ALL {
            let decisions = Decided::ALL.map(|decided| (decided.name(), route.stats.limited(basis, decided)));
            page.samples_by(Metric::LimitDecisions, &[&route.name, basis.name()], decisions);
        }
    }
    let (limits, (keys, forgotten)) = (world.limits(), world.limits().counts());
    page.sample(Metric::LimitKeys, &[], keys);
    page.sample(Metric::LimitMaxKeys, &[], MOST_KEYS);
    page.sample(Metric::LimitForgotten, &[], forgotten);
    page.sample(Metric::LimitDebts, &[], limits.stats().debts.get());
    page.sample(Metric::LimitTold, &[], limits.stats().told.get());
    page.sample(Metric::FleetSize, &[], limits.sharers());
    page.samples_by_known(Metric::FleetHeartbeats, &[], &limits.fleet().beats(), Beat::RESULTS);
}
