//! `/metrics`: what failsoft has counted, as Prometheus reads it.
//!
//! Counters are read one by one while requests flow, so figures on one page may differ by what happened meanwhile;
//! within one histogram they never contradict each other. Whatever can be counted in only a few ways is told from the
//! start, with zeros, so that a rule over its rate works the first time that it happens.

mod asides;
mod journal;
mod leases;
mod limits;
mod nodes;
mod origins;
mod page;
mod process;
mod routes;
mod topology;

use failsoft_core::circuit::StateName;

pub use self::page::CONTENT_TYPE;
use self::page::Page;
use super::catalogue::Metric;
use super::figures::ServerFigures;
use super::totals::Totals;
use crate::engine::Engine;
use crate::health::Health;

/// Tells of an engine, page after page; remembers what one page must not take back of another.
#[derive(Debug, Default)]
pub struct Exposition {
    totals: Totals,
}

impl Exposition {
    /// The page of this moment, in the format of [`CONTENT_TYPE`]. Without a sidecar its metrics are left out.
    pub fn render(&self, engine: &Engine, server: Option<&ServerFigures>) -> String {
        let (world, _) = engine.world();
        let mut page = Page::new();
        routes::tell_all(&mut page, &world, &self.totals.sum(&world));
        routes::tell_each(&mut page, &world);
        leases::tell(&mut page, &world);
        limits::tell(&mut page, &world);
        topology::tell(&mut page, &world);
        nodes::tell(&mut page, &world);
        origins::tell(&mut page, &world, &engine.settings());
        asides::tell(&mut page, &world);
        process::tell_memory(&mut page, &world);
        journal::tell_journal(&mut page, world.journal());
        process::tell_engine(&mut page, engine);
        if let Some(server) = server {
            process::tell_server(&mut page, server);
        }
        page.finish()
    }
}

/// Where a circuit's figures go.
struct CircuitMetrics {
    state: Metric,
    transitions: Metric,
    opened: Metric,
}

fn tell_circuit(page: &mut Page, metrics: &CircuitMetrics, values: &[&str], health: &Health) {
    let state = health.state();
    page.samples_by(metrics.state, values, StateName::ALL.map(|other| (other.name(), u64::from(other == state))));
    let (transitions, opened) = health.transitions();
    page.sample(metrics.transitions, values, transitions);
    page.sample(metrics.opened, values, opened);
}
