//! What came of commands about locks and idempotency records.

use failsoft_core::role::Role;

use super::page::Page;
use crate::primitive::RESULTS;
use crate::telemetry::catalogue::Metric;
use crate::world::World;

pub(super) fn tell(page: &mut Page, world: &World) {
    let counted = world.fences().results();
    let is_leased = world.routes().any(|(_, route)| matches!(route.role, Role::Lock | Role::Idempotency));
    if !is_leased && counted.is_empty() {
        return;
    }
    for (command, results) in RESULTS {
        let of_command = counted.iter().filter(|((other, _), _)| other == command);
        let counts: Vec<_> = of_command.map(|((_, result), count)| (*result, *count)).collect();
        page.samples_by_known(Metric::Leases, &[command], &counts, results.iter().copied());
    }
}
