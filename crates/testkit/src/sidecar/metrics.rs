//! Prometheus' text format, read into something a test can ask.

use std::collections::BTreeMap;

/// Samples by name and labels, as exposed at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(Vec<Sample>);

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads an exposition; lines that are no sample are skipped.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum of all samples of that name that have at least these labels; `None` when there is no such sample.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted = |sample: &&Sample| {
            let has = |(label, value): &(&str, &str)| sample.labels.get(*label).is_some_and(|found| found == value);
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<f64> = self.0.iter().filter(wanted).map(|sample| sample.value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// Every sample as `name{label="value",..}` (labels in order of their names) and its value.
    pub fn all(&self) -> BTreeMap<String, f64> {
        self.0.iter().map(|sample| (sample.title(), sample.value)).collect()
    }
}

impl Sample {
    fn title(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
        if labels.is_empty() { self.name.clone() } else { format!("{}{{{}}}", self.name, labels.join(",")) }
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (name, labels, rest) = match line.split_once('{') {
        Some((name, rest)) => {
            let (labels, rest) = labels(rest)?;
            (name, labels, rest)
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            (name, BTreeMap::new(), rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Reads labels up to and including the closing brace; values may hold escaped quotes, braces and commas.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start_matches(',');
        if let Some(rest) = text.strip_prefix('}') {
            return Some((found, rest));
        }
        let (label, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        found.insert(label.trim().to_owned(), value);
        text = rest;
    }
}

/// Reads up to and including the closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP requests_total Requests.\n\
        # TYPE requests_total counter\n\
        requests_total{tier=\"primary\",outcome=\"hit\"} 3\n\
        requests_total{tier=\"local\",outcome=\"hit\"} 4 1700000000\n\
        odd{key=\"a\\\"b},c\\\\\"} +Inf\n\
        up 1\n\
        nonsense\n";

    #[test]
    fn samples_are_found_by_name_and_some_of_their_labels() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.get("up", &[]), Some(1.0));
        assert_eq!(metrics.get("requests_total", &[("outcome", "hit")]), Some(7.0));
        assert_eq!(metrics.get("requests_total", &[("outcome", "hit"), ("tier", "local")]), Some(4.0));
        assert_eq!(metrics.get("requests_total", &[("tier", "origin")]), None);
        assert_eq!(metrics.get("odd", &[("key", "a\"b},c\\")]), Some(f64::INFINITY));
        assert_eq!(metrics.all().len(), 4);
        assert_eq!(metrics.all()["requests_total{outcome=\"hit\",tier=\"local\"}"], 4.0);
    }
}
