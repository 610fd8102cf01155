//! The text exposition format of Prometheus, version 0.0.4.
//!
//! Own code, and little of it: the client library's encoder writes OpenMetrics only, whose counters `promtool check
//! metrics` and older scrapers do not understand, and it wants one collector a family where here one look at a node
//! gives the samples of twenty. So samples may come in any order, are gathered by metric, and are written in the order
//! of the catalogue.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write};

use crate::telemetry::catalogue::{Description, Metric};
use crate::telemetry::histogram::Snapshot;

/// The media type of a finished page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page under way: the lines of each metric.
pub(super) struct Page(Vec<String>);

impl Page {
    pub(super) fn new() -> Self {
        Self(vec![String::new(); Metric::ALL.len()])
    }

    /// One sample, with a value for each label that the catalogue names, in its order.
    pub(super) fn sample(&mut self, metric: Metric, values: &[&str], number: impl Display) {
        let name = metric.description().name;
        self.line(metric, name, values, None, number);
    }

    /// One sample for each reason that has been counted, which is the value of the last label.
    pub(super) fn samples_by<'r>(
        &mut self,
        metric: Metric,
        values: &[&str],
        counts: impl IntoIterator<Item = (&'r str, u64)>,
    ) {
        for (reason, count) in counts {
            self.sample(metric, &[values, &[reason]].concat(), count);
        }
    }

    /// Like [`samples_by`](Self::samples_by), with a zero for each of `known` that has not come up: the rate of a series
    /// that begins with its first event would miss that event.
    pub(super) fn samples_by_known(
        &mut self,
        metric: Metric,
        values: &[&str],
        counts: &[(&'static str, u64)],
        known: impl IntoIterator<Item = &'static str>,
    ) {
        let is_missing = |name: &&str| counts.iter().all(|(other, _)| other != name);
        let missing = known.into_iter().filter(is_missing).map(|name| (name, 0));
        self.samples_by(metric, values, counts.iter().copied().chain(missing));
    }

    /// The buckets, sum and count of a histogram.
    pub(super) fn histogram(&mut self, metric: Metric, values: &[&str], snapshot: &Snapshot) {
        let name = metric.description().name;
        let bucket = format!("{name}_bucket");
        for (bound, count) in snapshot.cumulative() {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            self.line(metric, &bucket, values, Some(&bound), count);
        }
        self.line(metric, &format!("{name}_sum"), values, None, snapshot.sum_seconds);
        self.line(metric, &format!("{name}_count"), values, None, snapshot.count());
    }

    /// The whole page. A metric without a sample is left out.
    pub(super) fn finish(self) -> String {
        let mut page = String::with_capacity(self.0.iter().map(|lines| lines.len() + 200).sum());
        for (metric, lines) in Metric::ALL.iter().zip(&self.0).filter(|(_, lines)| !lines.is_empty()) {
            let Description { name, kind, help, .. } = metric.description();
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            print(&mut page, format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name()));
            page.push_str(lines);
        }
        page
    }

    fn line(&mut self, metric: Metric, name: &str, values: &[&str], bound: Option<&str>, number: impl Display) {
        let labels = metric.description().labels;
        debug_assert_eq!(labels.len(), values.len(), "the labels of {name} are {labels:?}");
        let lines = &mut self.0[metric as usize];
        lines.push_str(name);
        let mut opening = '{';
        for (label, value) in
            labels.iter().zip(values).map(|(label, value)| (*label, *value)).chain(bound.map(|bound| ("le", bound)))
        {
            lines.push(opening);
            opening = ',';
            print(lines, format_args!("{label}=\""));
            push_escaped(lines, value);
            lines.push('"');
        }
        if opening == ',' {
            lines.push('}');
        }
        print(lines, format_args!(" {number}\n"));
    }
}

/// Appends a label's value: a backslash, a quote and a line feed are the only letters that need care.
fn push_escaped(out: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn print(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into a string does not fail");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::histogram::{BOUNDS, Histogram};

    #[test]
    fn label_values_are_escaped_and_nothing_else_is() {
        let mut page = Page::new();
        page.sample(Metric::StaleAnswers, &["a\"b\\c\nd{e},é"], 1);
        let text = page.finish();
        assert!(text.ends_with("failsoft_stale_answers_total{route=\"a\\\"b\\\\c\\nd{e},é\"} 1\n"), "{text}");
    }

    #[test]
    fn samples_of_one_metric_stand_together_under_one_heading_in_the_catalogues_order() {
        let mut page = Page::new();
        page.sample(Metric::Clients, &[], 7);
        page.sample(Metric::StaleAnswers, &["a"], 1);
        page.sample(Metric::MaxClients, &[], 9);
        page.sample(Metric::StaleAnswers, &["b"], 2);
        let text = page.finish();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("# HELP")).collect();
        let expected = [
            "# TYPE failsoft_stale_answers_total counter",
            "failsoft_stale_answers_total{route=\"a\"} 1",
            "failsoft_stale_answers_total{route=\"b\"} 2",
            "# TYPE failsoft_clients gauge",
            "failsoft_clients 7",
            "# TYPE failsoft_max_clients gauge",
            "failsoft_max_clients 9",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_up_to_infinity_a_sum_and_a_count() {
        let histogram = Histogram::default();
        [1, 1, 60_000].into_iter().for_each(|millis| histogram.observe(Duration::from_millis(millis)));
        let mut page = Page::new();
        page.histogram(Metric::RequestDuration, &["users"], &histogram.snapshot());
        let text = page.finish();
        let has = |line: &str| assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        has("failsoft_request_duration_seconds_bucket{route=\"users\",le=\"0.0005\"} 0");
        has("failsoft_request_duration_seconds_bucket{route=\"users\",le=\"0.001\"} 2");
        has("failsoft_request_duration_seconds_bucket{route=\"users\",le=\"10\"} 2");
        has("failsoft_request_duration_seconds_bucket{route=\"users\",le=\"+Inf\"} 3");
        has("failsoft_request_duration_seconds_sum{route=\"users\"} 60.002");
        has("failsoft_request_duration_seconds_count{route=\"users\"} 3");
        assert_eq!(text.matches("_bucket{").count(), BOUNDS.len() + 1);
    }

    #[test]
    fn a_histogram_without_labels_has_only_its_bounds() {
        let mut page = Page::new();
        page.histogram(Metric::RoutingLatency, &[], &Snapshot::default());
        let text = page.finish();
        assert!(text.contains("redis_fallback_routing_latency_seconds_bucket{le=\"+Inf\"} 0\n"), "{text}");
        assert!(text.contains("redis_fallback_routing_latency_seconds_count 0\n"), "{text}");
    }
}
