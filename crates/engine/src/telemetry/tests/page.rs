//! The page of metrics against the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use failsoft_core::circuit::{Override, StateName};
use failsoft_testkit::sidecar::Metrics;

use super::world::{eventful, figures, quiet};
use crate::telemetry::catalogue::{Kind, Metric};
use crate::telemetry::exposition::Exposition;
use crate::telemetry::figures::ServerFigures;
use crate::telemetry::state::State;

/// The label sets of each sample name.
fn label_sets(page: &str) -> BTreeMap<String, BTreeSet<Vec<String>>> {
    let mut sets = BTreeMap::<_, BTreeSet<_>>::new();
    for series in Metrics::parse(page).all().keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut labels: Vec<_> =
            labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect();
        labels.sort();
        sets.entry(name.to_owned()).or_default().insert(labels);
    }
    sets
}

fn expected_label_sets() -> BTreeMap<String, BTreeSet<Vec<String>>> {
    let mut sets = BTreeMap::new();
    for metric in Metric::ALL.iter().map(|metric| metric.description()) {
        let with = |more: &[&str]| {
            let mut labels: Vec<_> = metric.labels.iter().chain(more).map(|label| (*label).to_owned()).collect();
            labels.sort();
            BTreeSet::from([labels])
        };
        match metric.kind {
            Kind::Counter | Kind::Gauge => {
                sets.insert(metric.name.to_owned(), with(&[]));
            }
            Kind::Histogram => {
                sets.insert(format!("{}_bucket", metric.name), with(&["le"]));
                sets.insert(format!("{}_sum", metric.name), with(&[]));
                sets.insert(format!("{}_count", metric.name), with(&[]));
            }
        }
    }
    sets
}

#[tokio::test]
async fn every_metric_of_the_catalogue_is_told_with_its_labels_and_no_other_is() {
    let page = Exposition::default().render(&eventful().await, Some(&figures()));
    let (told, expected) = (label_sets(&page), expected_label_sets());
    for (name, labels) in &expected {
        assert_eq!(told.get(name), Some(labels), "{name}");
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn no_series_is_told_twice() {
    let page = Exposition::default().render(&eventful().await, Some(&figures()));
    let lines: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    let series: BTreeSet<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(series.len(), lines.len());
}

#[test]
fn what_can_be_counted_in_few_ways_is_told_with_zeros_from_the_start() {
    let metrics = Metrics::parse(&Exposition::default().render(&quiet(), None));
    for status in ["primary_hit", "primary_failover", "secondary_fallback", "error"] {
        assert_eq!(metrics.get("redis_fallback_routing_attempts_total", &[("status", status)]), Some(0.0));
    }
    assert_eq!(metrics.get("failsoft_errors_total", &[("route", "user"), ("code", "OVERLOADED")]), Some(0.0));
    assert_eq!(metrics.get("failsoft_origin_shed_total", &[("reason", "queue_full")]), Some(0.0));
    assert_eq!(metrics.get("failsoft_origin_max_rate", &[("origin", "users")]), Some(500.0));
    assert_eq!(metrics.get("failsoft_clients", &[]), None);
    let metrics = Metrics::parse(&Exposition::default().render(&quiet(), Some(&ServerFigures::default())));
    assert_eq!(metrics.get("failsoft_reloads_total", &[("result", "refused")]), Some(0.0));
    assert_eq!(metrics.get("failsoft_accept_errors_total", &[("reason", "other")]), Some(0.0));
}

#[tokio::test]
async fn sums_over_routes_are_those_of_the_routes() {
    let engine = eventful().await;
    let metrics = Metrics::parse(&Exposition::default().render(&engine, None));
    for status in ["primary_hit", "secondary_fallback", "error"] {
        let all = metrics.get("redis_fallback_routing_attempts_total", &[("status", status)]);
        assert_eq!(all, metrics.get("failsoft_requests_total", &[("status", status)]));
        assert!(all.unwrap() > 0.0, "{status}");
    }
}

#[test]
fn slots_are_ok_while_the_primary_is_asked_freely() {
    let engine = quiet();
    let slots = || Metrics::parse(&Exposition::default().render(&engine, None)).get("redis_cluster_slots_ok", &[]);
    assert_eq!(slots(), Some(16_384.0));
    engine.world().0.views().redis.nodes()[0].health().set_override(Override::HoldOpen);
    assert_eq!(slots(), Some(0.0));
}

#[test]
fn exactly_one_state_of_a_circuit_is_one() {
    let metrics = Metrics::parse(&Exposition::default().render(&quiet(), None));
    let told = |state: StateName| {
        metrics.get("failsoft_node_circuit_state", &[("tier", "primary"), ("state", state.name())]).unwrap()
    };
    assert_eq!(StateName::ALL.map(told), [1.0, 0.0, 0.0, 0.0]);
}

#[tokio::test]
async fn the_state_tells_the_same_and_survives_its_own_json() {
    let engine = eventful().await;
    let state = State::of(&engine, Some(&figures()));
    let user = &state.routes[0];
    assert_eq!((user.name.as_str(), user.keys.as_str(), user.role.as_str()), ("user", "user:{id}", "cache"));
    assert_eq!(user.plan.read, ["local", "primary", "replica", "local", "origin", "default"]);
    assert_eq!(user.plan.write, ["primary"]);
    assert_eq!(user.requests["secondary_fallback"], 1);
    assert_eq!(state.routes[1].plan.read, ["primary"]);
    assert_eq!(state.nodes.iter().map(|node| node.tier.as_str()).collect::<Vec<_>>(), ["primary", "replica"]);
    let told = state.tracking.as_ref().unwrap();
    assert_eq!((told.up, told.invalidations, &told.dropped["connection_lost"]), (false, 1, &1));
    assert_eq!(state.origins[0].max_rate, Some(500.0));
    assert_eq!(state.server.as_ref().unwrap().clients, 3);
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
}
