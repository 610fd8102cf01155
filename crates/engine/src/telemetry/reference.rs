//! The reference of all metrics as Markdown, printed from the catalogue.

use std::fmt::Write;

use super::catalogue::{Description, Metric};

const OPENING: &str = "\
# Metrics

<!-- Printed from the catalogue: change a metric's row in crates/engine/src/telemetry/catalogue.rs, then run
     FAILSOFT_REWRITE=1 cargo nextest run -p failsoft telemetry -->

The sidecar tells them at `/metrics` of its admin address (`server.admin`), in Prometheus' text format. Labels take their
values from the settings and from fixed words only, never from a key or a value, so the settings bound the number of
series. `route` is the route's name (keys that no route takes are told as the route `(plain)`), `node` is `host:port`, `tier`
is primary, replica, regional, local, origin or default, `state` is closed (traffic flows), open, half-open or ramp.

A counter of a route, node or origin begins anew when a reload changes its settings; sums over all routes never fall.
A labelled series appears when it has something to tell. Rules that use these metrics are in
[examples/alerts.yml](../examples/alerts.yml), and the same figures as JSON at [`/api/v1/state`](admin.md).

Two things to know when reading them:

- **A miss is no fallback.** On a route with an origin, a value that the primary says it does not have is loaded from the
  origin and counts as `primary_hit`: the primary answered, and the cache does its work. A load because the primary could
  not answer counts as `secondary_fallback`. `failsoft_outcomes_total{tier=\"primary\",outcome=\"miss\"}` tells the misses.
- **Slots without a cluster.** A standalone primary counts as the owner of all 16384 slots. They are ok while its circuit
  is closed, and none is while it is open, half-open or in the ramp.
";

/// The reference, one table a section.
pub fn reference() -> String {
    let mut text = OPENING.to_owned();
    let mut section = "";
    for metric in Metric::ALL.iter().map(|metric| metric.description()) {
        if section != metric.section {
            section = metric.section;
            print(&mut text, format_args!("\n## {section}\n\n"));
            text.push_str("| metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n");
        }
        print_row(&mut text, metric);
    }
    text
}

fn print_row(text: &mut String, metric: &Description) {
    let Description { name, kind, unit, labels, help, .. } = metric;
    let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
    print(text, format_args!("| `{name}` | {} | {unit} | {} | {help} |\n", kind.name(), labels.join(" ")));
}

fn print(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing into a string does not fail");
}
