//! What is known of the deployments, and how that came about.

use super::page::Page;
use crate::telemetry::catalogue::Metric;
use crate::topology::Deployment;
use crate::world::World;

pub(super) fn tell(page: &mut Page, world: &World) {
    world.deployments().for_each(|deployment| tell_one(page, deployment));
}

fn tell_one(page: &mut Page, deployment: &Deployment) {
    let values = [deployment.name()];
    let stats = deployment.stats();
    page.sample(Metric::TopologyVersion, &values, deployment.view().version());
    page.sample(Metric::TopologyAge, &values, deployment.age().as_secs_f64());
    page.samples_by(Metric::TopologyLooks, &values, stats.looks.snapshot());
    page.samples_by(Metric::TopologyHints, &values, stats.hints.snapshot());
    page.sample(Metric::TopologyChanges, &values, stats.changes.get());
    page.samples_by(Metric::TopologyRedirects, &values, stats.redirects.snapshot());
    page.sample(Metric::TopologyOffLimits, &values, stats.off_limits.get());
}
