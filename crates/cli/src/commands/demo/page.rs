//! The sidecar's `/metrics`, as far as the demo reads it.
//!
//! A figure that is not on the page is `None`, never 0: a promise about a figure nobody has seen is not kept.

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_core::Tier;

use super::error::DemoError;
use super::settings::ROUTE;

/// Bound on one look. A busy sidecar still answers; a dead one is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Figures of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Statements that reached SQLite, counted by its trace hook.
    pub(super) statements: Option<u64>,
    /// Answers of the route by tier, in the order of [`Tier::ALL`].
    pub(super) answers: [Option<u64>; Tier::ALL.len()],
    /// Whether traffic flows to the primary freely.
    pub(super) is_primary_trusted: Option<bool>,
}

impl Figures {
    /// Answers by tier since `earlier`, in the order of [`Tier::ALL`]; `None` if the page does not tell.
    pub(super) fn answers_since(&self, earlier: &Self) -> Option<[u64; Tier::ALL.len()]> {
        self.answers.iter().any(Option::is_some).then_some(())?;
        let count = |tier: usize| self.answers[tier].unwrap_or(0).saturating_sub(earlier.answers[tier].unwrap_or(0));
        Some(std::array::from_fn(count))
    }
}

/// A client of the admin address.
#[derive(Debug, Clone)]
pub(super) struct Scraper {
    client: reqwest::Client,
    base: String,
}

impl Scraper {
    pub(super) fn new(admin: SocketAddr) -> Result<Self, DemoError> {
        let built = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = built.map_err(|error| DemoError::Http { doing: "make an HTTP client", error })?;
        Ok(Self { client, base: format!("http://{admin}") })
    }

    pub(super) async fn is_live(&self) -> bool {
        self.get("/livez").await.is_some()
    }

    /// `None` when there is no answer.
    pub(super) async fn figures(&self) -> Option<Figures> {
        self.get("/metrics").await.map(|page| figures(&page))
    }

    async fn get(&self, path: &str) -> Option<String> {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.ok()?;
        response.error_for_status().ok()?.text().await.ok()
    }
}

fn figures(page: &str) -> Figures {
    let trusted = number(page, "failsoft_node_circuit_state", &[r#"tier="primary""#, r#"state="closed""#]);
    Figures {
        statements: number(page, "failsoft_origin_statements_total", &[]),
        answers: Tier::ALL.map(|tier| {
            let labels = [format!("route={ROUTE:?}"), format!("tier={:?}", tier.name())];
            number(page, "failsoft_answers_total", &labels.each_ref().map(String::as_str))
        }),
        is_primary_trusted: trusted.map(|one| one == 1),
    }
}

/// The sum of the whole numbers of that name that have these labels, each written `label="value"`.
fn number(page: &str, name: &str, labels: &[&str]) -> Option<u64> {
    let numbers = page.lines().filter_map(|line| {
        let (series, number) = line.strip_prefix(name)?.rsplit_once(' ')?;
        let inner = series.strip_prefix('{').map_or(Some(series), |rest| rest.strip_suffix('}'))?;
        let has = |label: &&str| inner.split(',').any(|found| found == *label);
        (series.is_empty() || series.starts_with('{')).then_some(())?;
        labels.iter().all(has).then(|| number.parse().ok())?
    });
    numbers.fold(None, |sum, number: u64| Some(sum.unwrap_or(0) + number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE failsoft_answers counter\n\
        failsoft_answers_total{route=\"users\",tier=\"primary\"} 70\n\
        failsoft_answers_total{route=\"users\",tier=\"local\"} 3\n\
        failsoft_answers_total{route=\"plain\",tier=\"primary\"} 5\n\
        failsoft_node_circuit_state{node=\"127.0.0.1:1\",tier=\"primary\",state=\"closed\"} 1\n\
        failsoft_node_circuit_state{node=\"127.0.0.1:1\",tier=\"primary\",state=\"open\"} 0\n\
        failsoft_node_circuit_state{node=\"127.0.0.1:2\",tier=\"replica\",state=\"closed\"} 0\n\
        failsoft_origin_statements_total{origin=\"users\"} 12\n\
        failsoft_origin_statements_total_not{origin=\"users\"} 99\n";

    #[test]
    fn figures_are_found_by_name_and_labels() {
        let found = figures(PAGE);
        assert_eq!(found.statements, Some(12));
        assert_eq!(found.is_primary_trusted, Some(true));
        let [primary, replica, _regional, local, ..] = found.answers;
        assert_eq!((primary, replica, local), (Some(70), None, Some(3)));
        assert_eq!(found.answers_since(&Figures::default()), Some([70, 0, 0, 3, 0, 0]));
        assert_eq!(found.answers_since(&found), Some([0; 6]));
    }

    #[test]
    fn what_is_not_told_is_not_zero() {
        assert_eq!(figures(""), Figures::default());
        assert_eq!(figures("").answers_since(&figures(PAGE)), None);
    }
}
