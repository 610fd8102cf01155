//! How the Redis nodes are.

use std::sync::atomic::Ordering;

use super::page::Page;
use super::{CircuitMetrics, tell_circuit};
use crate::node::Node;
use crate::telemetry::catalogue::Metric;
use crate::topology::Measured;
use crate::world::World;

const CIRCUIT: CircuitMetrics = CircuitMetrics {
    state: Metric::NodeCircuitState,
    transitions: Metric::NodeCircuitTransitions,
    opened: Metric::NodeCircuitOpened,
};

pub(super) fn tell(page: &mut Page, world: &World) {
    world.views().nodes().for_each(|node| tell_one(page, node));
    for deployment in world.deployments() {
        let view = deployment.view();
        let measured = view.measured(deployment.max_lag(), deployment.now());
        for (node, measured) in view.nodes().iter().zip(measured) {
            if let Some(measured) = measured {
                tell_replica(page, node, measured);
            }
        }
    }
}

fn tell_replica(page: &mut Page, node: &Node, measured: Measured) {
    let values = [node.name().as_ref(), node.tier().name()];
    page.sample(Metric::NodeReplicaUsable, &values, u8::from(measured.unfit.is_none() && node.health().is_closed()));
    if let Some(age) = measured.age {
        page.sample(Metric::NodeReplicationLag, &values, age.as_secs_f64());
    }
}

fn tell_one(page: &mut Page, node: &Node) {
    let values = [node.name().as_ref(), node.tier().name()];
    let stats = node.stats();
    tell_circuit(page, &CIRCUIT, &values, node.health());
    page.sample(Metric::NodeConnections, &values, stats.connections.load(Ordering::Relaxed));
    page.sample(Metric::NodeConnects, &values, stats.connects.get());
    page.samples_by(Metric::NodeConnectFailures, &values, stats.connect_failures.snapshot());
    page.samples_by(Metric::NodeDisconnects, &values, stats.disconnects.snapshot());
    page.samples_by(Metric::NodeRefusals, &values, stats.refusals.snapshot());
    page.samples_by(Metric::NodeSilences, &values, stats.silences.snapshot());
    page.sample(Metric::NodeQueueFull, &values, stats.queue_full.get());
    page.sample(Metric::NodeLateReplies, &values, stats.late.get());
    page.samples_by(Metric::NodeProbes, &values, stats.probes.snapshot());
    if let Some(writable) = stats.writable() {
        page.sample(Metric::NodeWritable, &values, u8::from(writable));
    }
    if let Some(may_evict) = stats.eviction.may_evict() {
        page.sample(Metric::NodeMayEvict, &values, u8::from(may_evict));
    }
    page.sample(Metric::NodePending, &values, node.pending());
    page.sample(Metric::NodeMaxPending, &values, node.options().max_pending);
    page.sample(Metric::NodeDedicated, &values, node.dedicated().inside());
    page.sample(Metric::NodeMaxDedicated, &values, node.dedicated().bound());
    page.sample(Metric::NodeDedicatedConnects, &values, stats.dedicated_connects.get());
    page.sample(Metric::NodeDedicatedRefused, &values, node.dedicated().refused());
    page.sample(Metric::NodeDedicatedPaced, &values, stats.dedicated_paced.get());
    page.histogram(Metric::NodeReplyDuration, &values, &stats.latency.snapshot());
}
