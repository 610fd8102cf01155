//! The sidecar's `/metrics`, as far as the demo reads it.
//!
//! A figure that is not on the page is `None`, never 0: a promise about a figure nobody has seen is not kept.

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_core::Tier;
use failsoft_core::cluster::Slot;

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
    /// Whether traffic flows freely to a primary for every key.
    pub(super) is_redis_trusted: Option<bool>,
    /// Times that one node has sent a request on to another, and it was followed.
    pub(super) redirects: Option<u64>,
}

impl Figures {
    /// Redirections followed since `earlier`; `None` if the page does not tell.
    pub(super) fn redirects_since(&self, earlier: &Self) -> Option<u64> {
        Some(self.redirects?.saturating_sub(earlier.redirects.unwrap_or(0)))
    }

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
    let slots_ok = number(page, "redis_cluster_slots_ok", &[]);
    Figures {
        statements: number(page, "failsoft_origin_statements_total", &[]),
        answers: Tier::ALL.map(|tier| {
            let labels = [format!("route={ROUTE:?}"), format!("tier={:?}", tier.name())];
            number(page, "failsoft_answers_total", &labels.each_ref().map(String::as_str))
        }),
        is_redis_trusted: slots_ok.map(|slots| slots == Slot::COUNT as u64),
        redirects: number(page, "failsoft_topology_redirects_total", &[r#"result="followed""#]),
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
        redis_cluster_slots_ok{deployment=\"redis\"} 16384\n\
        failsoft_topology_redirects_total{deployment=\"redis\",result=\"followed\"} 7\n\
        failsoft_topology_redirects_total{deployment=\"redis\",result=\"unknown\"} 2\n\
        failsoft_origin_statements_total{origin=\"users\"} 12\n\
        failsoft_origin_statements_total_not{origin=\"users\"} 99\n";

    #[test]
    fn figures_are_found_by_name_and_labels() {
        let found = figures(PAGE);
        assert_eq!(found.statements, Some(12));
        assert_eq!((found.is_redis_trusted, found.redirects), (Some(true), Some(7)));
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
