//! What Redis has not had of writes, and what is kept of them.

use super::page::Page;
use crate::journal::Journal;
use crate::telemetry::catalogue::Metric;

pub(super) fn tell_journal(page: &mut Page, journal: &Journal) {
    let (fill, stats) = (journal.fill(), journal.stats());
    page.sample(Metric::JournalEntries, &["pending"], fill.pending);
    page.sample(Metric::JournalEntries, &["settling"], fill.settling);
    page.sample(Metric::JournalBytes, &[], fill.bytes);
    page.sample(Metric::JournalStaleRoutes, &[], fill.stale);
    page.sample(Metric::JournalRecent, &[], fill.recent);
    page.sample(Metric::JournalRecentTruncated, &[], fill.truncated);
    page.sample(Metric::JournalAdded, &[], stats.added.get());
    page.sample(Metric::JournalReplayed, &[], stats.replayed.get());
    page.samples_by(Metric::JournalUnreplayed, &[], stats.unreplayed.snapshot());
    page.sample(Metric::JournalRepeated, &[], stats.repeated.get());
    page.sample(Metric::JournalOverflows, &[], stats.overflows.get());
    page.sample(Metric::JournalSwept, &[], stats.swept.get());
    page.sample(Metric::GutterKept, &[], stats.kept.get());
    page.samples_by(Metric::GutterDropped, &[], stats.dropped.snapshot());
}
