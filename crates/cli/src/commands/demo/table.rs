//! The table at the end: failsoft on the left, the same reads without it on the right.

use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, LineStyle, Table};
use failsoft_core::Tier;

use super::plan::CAP;
use super::report::{Act, Report};
use super::tally::Tally;
use super::users;

/// The tiers the demo has.
const TIERS: [Tier; 5] = [Tier::Primary, Tier::Replica, Tier::Local, Tier::Origin, Tier::Default];

/// The report as text, without a line break at the end.
pub(super) fn of(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none())).set_header(header());
    report.acts.iter().for_each(|act| {
        table.add_row(row(act));
    });
    format!("{table}\n{}", legend(report))
}

/// Two lines: what a group of columns is about, and what each of them is.
fn header() -> Vec<Cell> {
    let [first, second, third, fourth, fifth] = TIERS.map(Tier::name);
    let titles = [
        ("", "phase"),
        ("FAILSOFT", "answered"),
        ("", "p50/p99 ms"),
        ("by", first),
        ("", second),
        ("", third),
        ("", fourth),
        ("", fifth),
        ("db asked", "peak/s"),
        ("", "wrong"),
        ("WITHOUT", "answered"),
        ("", "p50/p99 ms"),
        ("db asked", "peak/s"),
    ];
    titles.into_iter().map(|(group, title)| Cell::new(format!("{group}\n{title}"))).collect()
}

fn row(act: &Act) -> Vec<Cell> {
    let (with, without) = (&act.failsoft, &act.aside);
    let left = [number(percent(with.answered_share())), number(latencies(with))];
    let right = [
        number(act.origin_peak.map_or_else(|| "?".to_owned(), |peak| peak.to_string())),
        number(with.wrong.to_string()),
        number(percent(without.answered_share())),
        number(latencies(without)),
        number(act.aside_peak.to_string()),
    ];
    let tiers = TIERS.map(|tier| number(tier_share(act, tier)));
    [Cell::new(act.phase.name)].into_iter().chain(left).chain(tiers).chain(right).collect()
}

/// Nothing where the tier did not answer, so that those who did stand out.
fn tier_share(act: &Act, tier: Tier) -> String {
    let share = act.tier_shares().into_iter().find(|(candidate, _)| *candidate == tier);
    share.map_or_else(String::new, |(_, share)| percent(share))
}

fn legend(report: &Report) -> String {
    format!(
        "Each side: {} reads/s of {} users (Zipf), due at fixed moments; latencies run from then, errors included.\n\
         FAILSOFT: its database is SQLite, capped at {CAP}/s; \"asked\" is counted by SQLite, not by failsoft.\n\
         WITHOUT: plain cache-aside on the same Redis; its database is made to bear {CAP}/s (ten connections, 20 ms a\n\
         query), and callers wait up to a second for it. \"Asked\" is what it was wanted to do.",
        report.rate,
        users::COUNT
    )
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// Cut, not rounded: 99.99 % are not all.
fn percent(share: f64) -> String {
    if share >= 1.0 { "100%".to_owned() } else { format!("{:.2}%", (share * 10_000.0).floor() / 100.0) }
}

fn latencies(tally: &Tally) -> String {
    let shown = |per_mille| tally.latency(per_mille).map_or_else(|| "-".to_owned(), milliseconds);
    format!("{}/{}", shown(500), shown(990))
}

fn milliseconds(latency: Duration) -> String {
    let milliseconds = latency.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::demo::plan::{Deed, Phase, Until};
    use crate::commands::demo::reader::Answer;

    #[test]
    fn a_share_is_only_all_when_it_is_all() {
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.99999), "99.99%");
        assert_eq!(percent(0.0), "0.00%");
    }

    #[test]
    fn latencies_have_the_digits_that_matter() {
        assert_eq!(milliseconds(Duration::from_micros(432)), "0.4");
        assert_eq!(milliseconds(Duration::from_micros(203_400)), "203");
    }

    #[test]
    fn a_row_says_who_answered_and_what_nobody_saw() {
        let mut failsoft = Tally::default();
        failsoft.count(Answer::Right, Duration::from_millis(1));
        let act = Act {
            phase: Phase { name: "both killed", deed: Deed::KillRest, until: Until::TimeIsUp },
            lasted: Duration::from_secs(1),
            is_redis_trusted: false,
            redirects: None,
            failsoft,
            tiers: Some(Tier::ALL.map(|tier| u64::from(tier == Tier::Local) * 3 + u64::from(tier == Tier::Origin))),
            origin_peak: None,
            aside: Tally::default(),
            aside_peak: 4000,
        };
        let cells: Vec<String> = row(&act).iter().map(Cell::content).collect();
        let expected =
            ["both killed", "100%", "1.0/1.0", "", "", "75.00%", "25.00%", "", "?", "0", "100%", "-/-", "4000"];
        assert_eq!(cells, expected);
    }
}
