//! What the process itself holds: local memory, values on their way back, clients.

use failsoft_core::Time;

use super::page::Page;
use crate::engine::Engine;
use crate::telemetry::VERSION;
use crate::telemetry::catalogue::Metric;
use crate::telemetry::figures::{ACCEPT_ERRORS, REFUSALS, RELOAD_RESULTS, ServerFigures, tls_handshake_results};
use crate::tracking::Tracking;
use crate::world::World;

pub(super) fn tell_memory(page: &mut Page, world: &World) {
    let (local, stats) = (world.local(), world.local().stats());
    page.sample(Metric::LocalHits, &[], stats.hits.get());
    page.sample(Metric::LocalStaleHits, &[], stats.stale_hits.get());
    page.sample(Metric::LocalMisses, &[], stats.misses.get());
    page.sample(Metric::LocalUnverified, &[], stats.unverified.get());
    page.sample(Metric::LocalKept, &[], stats.kept.get());
    page.sample(Metric::LocalRefused, &[], stats.refused.get());
    page.sample(Metric::LocalInvalidated, &[], stats.invalidated.get());
    page.sample(Metric::LocalEntries, &[], local.entries());
    page.sample(Metric::LocalBytes, &[], local.bytes());
    page.sample(Metric::LocalCapacity, &[], local.capacity());
    let (flags, flag_bytes, _) = local.flags();
    page.sample(Metric::LocalFlags, &[], flags);
    page.sample(Metric::LocalFlagBytes, &[], flag_bytes);
    page.sample(Metric::LocalFlagEvictions, &[], stats.flags_evicted.get());
    if let Some(tracking) = world.tracking() {
        tell_tracking(page, tracking);
    }
    tell_invalidation(page, world);
    let write_back = world.write_back();
    let (outstanding, bound) = write_back.outstanding();
    page.sample(Metric::WriteBackWritten, &[], write_back.stats().written.get());
    page.samples_by(Metric::WriteBackDropped, &[], write_back.stats().dropped.snapshot());
    page.sample(Metric::WriteBackOutstanding, &[], outstanding);
    page.sample(Metric::WriteBackMaxOutstanding, &[], bound);
}

fn tell_tracking(page: &mut Page, tracking: &Tracking) {
    let (values, stats) = ([tracking.primary().name().as_ref()], tracking.stats());
    page.sample(Metric::TrackingUp, &values, u8::from(tracking.is_up()));
    page.sample(Metric::TrackingBegun, &values, stats.begun.get());
    page.samples_by(Metric::TrackingDropped, &values, stats.dropped.snapshot());
    page.sample(Metric::TrackingInvalidations, &values, stats.invalidations.get());
    page.sample(Metric::TrackingFlushes, &values, stats.flushes.get());
}

fn tell_invalidation(page: &mut Page, world: &World) {
    let listening = world.listening();
    page.sample(Metric::SubscriptionsLost, &[], listening.lost.get());
    page.sample(Metric::SubscriptionsRegained, &[], listening.regained.get());
    page.sample(Metric::GapMessages, &[], listening.gaps.get());
    let (queue, stats) = (world.publishing().figures(), world.publishing().stats());
    page.sample(Metric::PublishQueueMessages, &[], queue.messages);
    page.sample(Metric::PublishQueueBytes, &[], queue.bytes);
    page.sample(Metric::PublishQueueSent, &[], stats.sent.get());
    page.samples_by(Metric::PublishQueueDropped, &[], queue.lost.map(|(loss, count)| (loss.name(), count)));
    page.samples_by(Metric::PublishQueueDropped, &[], stats.rejected.snapshot());
    page.sample(Metric::PublishQueueRefused, &[], stats.refused.get());
    page.sample(Metric::PublishQueueGaps, &[], stats.gaps.get());
}

pub(super) fn tell_engine(page: &mut Page, engine: &Engine) {
    page.sample(Metric::Generation, &[], engine.generation());
    page.sample(Metric::Uptime, &[], engine.clock().now().since(Time::ZERO).as_secs_f64());
    page.sample(Metric::BuildInfo, &[VERSION], 1);
}

pub(super) fn tell_server(page: &mut Page, server: &ServerFigures) {
    page.sample(Metric::Clients, &[], server.clients.now);
    page.sample(Metric::MaxClients, &[], server.clients.bound);
    page.sample(Metric::ClientsAccepted, &[], server.accepted);
    page.sample(Metric::ClientsRefused, &[], server.clients.refused);
    page.samples_by(Metric::ClientsClosed, &[], server.closed.iter().copied());
    page.samples_by_known(Metric::AcceptErrors, &[], &server.accept_errors, ACCEPT_ERRORS);
    page.sample(Metric::AuthFailures, &[], server.auth_failures);
    page.samples_by_known(Metric::CommandsRefused, &[], &server.commands_refused, REFUSALS);
    if let Some(handshakes) = &server.tls_handshakes {
        page.samples_by_known(Metric::TlsHandshakes, &[], handshakes, tls_handshake_results());
    }
    for expiry in &server.certificates {
        page.sample(Metric::CertificateExpiry, &[expiry.of.name()], expiry.at);
    }
    page.samples_by_known(Metric::CertificateReloads, &[], &server.certificate_reloads, RELOAD_RESULTS);
    page.sample(Metric::FallbackTasks, &[], server.fallback_tasks.now);
    page.sample(Metric::MaxFallbackTasks, &[], server.fallback_tasks.bound);
    page.sample(Metric::FallbackTasksRefused, &[], server.fallback_tasks.refused);
    page.samples_by_known(Metric::Reloads, &[], &server.reloads, RELOAD_RESULTS);
}
