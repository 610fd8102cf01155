//! The example rules against the catalogue, without `promtool`: names, labels, structure, and that each is tested.

use std::collections::BTreeSet;

use super::files::project;
use crate::telemetry::catalogue::{Kind, Metric};

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap()
}

/// The values of `key` at any depth, in order.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).collect()
}

/// The names in `text` that could be names of metrics.
fn metric_names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("failsoft_") || word.starts_with("redis_")).collect()
}

fn told_names() -> BTreeSet<String> {
    let names = Metric::ALL.iter().map(|metric| metric.description()).flat_map(|metric| match metric.kind {
        Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
        Kind::Histogram => ["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)).to_vec(),
    });
    names.collect()
}

#[test]
fn rules_and_their_tests_name_only_metrics_that_there_are() {
    let told = told_names();
    let families: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.description().name).collect();
    for path in ["examples/alerts.yml", "examples/alerts_test.yml"] {
        let text = read(path);
        let (prose, rules): (Vec<_>, Vec<_>) = text.lines().partition(|line| is_prose(line));
        let (named, asked) = (prose.join("\n"), rules.join("\n"));
        assert!(!metric_names(&asked).is_empty());
        metric_names(&asked).iter().for_each(|name| assert!(told.contains(*name), "{path} asks {name}"));
        metric_names(&named).iter().for_each(|name| assert!(families.contains(name), "{path} names {name}"));
    }
}

fn is_prose(line: &str) -> bool {
    ["#", "summary:", "description:"].iter().any(|start| line.trim_start().starts_with(start))
}

#[test]
fn every_rule_has_a_test_that_it_fires_and_nothing_else_is_tested() {
    let (rules, tests) = (read("examples/alerts.yml"), read("examples/alerts_test.yml"));
    let alerts: BTreeSet<_> = values(&rules, "alert").into_iter().collect();
    let named = tests.split("alertname=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    assert_eq!(alerts, named.collect());
}

#[test]
fn every_rule_is_complete() {
    let text = read("examples/alerts.yml");
    let rules: Vec<_> = text.split("- alert: ").skip(1).collect();
    assert!(!rules.is_empty());
    for rule in rules {
        for key in ["expr", "for", "severity", "summary", "description"] {
            assert!(values(rule, key).len() == 1, "{key} is missing or twice in:\n{rule}");
        }
        assert!(["page", "ticket"].contains(&values(rule, "severity")[0]), "{rule}");
    }
    assert!(!text.contains('\t'), "YAML knows no tabs");
}

#[test]
fn the_share_of_fallbacks_is_watched_as_agreed() {
    let text = read("examples/alerts.yml");
    let rule = text.split("- alert: ").find(|rule| rule.starts_with("FailsoftFallbackShareHigh")).unwrap();
    assert!(rule.contains("[5m]") && rule.contains("> 0.15"), "{rule}");
}
