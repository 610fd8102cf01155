//! Keeps certificates what their files say, and warns before they expire.
//!
//! The files are compared now and then, rather than watched: they may lie anywhere, behind links that are swapped. Those
//! that are broken are refused and told once; certificate and key are two files and cannot change at one moment, so the
//! next change is waited for.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use failsoft::settings::ThisProcess;
use failsoft::tls::{Expiry, TlsError};

use crate::shared::Shared;

/// A certificate that has no longer than this is warned of.
const WARNING: Duration = Duration::from_hours(14 * 24);
/// How often it is warned of.
const WARN_EVERY: Duration = Duration::from_hours(12);
const DAY: i64 = 86_400;

/// The certificates of both sides.
pub(crate) struct Certificates {
    shared: Arc<Shared>,
    hasher: RandomState,
    seen: u64,
    /// When each file was last warned of: as many as there are files.
    warned: HashMap<PathBuf, Instant>,
}

impl Certificates {
    /// Those that are in force.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let mut certificates = Self { shared, hasher: RandomState::new(), seen: 0, warned: HashMap::new() };
        certificates.seen = certificates.fingerprint();
        certificates
    }

    /// Reads the files again if they have changed, and warns of what is about to expire.
    pub(crate) fn glance(&mut self) {
        if self.fingerprint() != self.seen {
            self.refresh();
        }
        self.warn(SystemTime::now());
    }

    /// Reads the files again.
    pub(crate) fn refresh(&mut self) {
        self.seen = self.fingerprint();
        let settings = self.shared.engine().settings();
        let (world, _) = self.shared.engine().world();
        let mut results = Vec::new();
        if let (Some(tls), Some(files)) = (self.shared.doorkeeper().tls(), settings.server().tls()) {
            results.push(tls.refresh(files, &ThisProcess));
        }
        results.extend(world.tls().map(|tls| tls.refresh(&ThisProcess)));
        results.into_iter().for_each(|result| self.tell(result));
    }

    fn tell(&self, result: Result<(), TlsError>) {
        let reloads = &self.shared.stats().certificate_reloads;
        match result {
            Ok(()) => {
                reloads.increment("taken_up");
                tracing::info!("certificates taken up; connections that are open keep the old ones");
            }
            Err(error) => {
                reloads.increment("refused");
                tracing::error!(%error, "the new certificates are refused, the old ones stay in force");
            }
        }
    }

    /// Of the files' names and contents; a file that cannot be read counts as one that is empty.
    fn fingerprint(&self) -> u64 {
        let settings = self.shared.engine().settings();
        let server = settings.server().tls().map(|files| files.paths()).unwrap_or_default();
        let deployments = std::iter::once(settings.redis()).chain(settings.regional());
        let redis = deployments.filter_map(|redis| redis.tls()).flat_map(|files| files.paths());
        let read = |path: PathBuf| (std::fs::read(&path).unwrap_or_default(), path);
        self.hasher.hash_one(server.into_iter().chain(redis).map(read).collect::<Vec<_>>())
    }

    fn warn(&mut self, now: SystemTime) {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let soon = now + WARNING.as_secs().cast_signed();
        let expiries = self.shared.expiries();
        self.warned
            .retain(|path, told| told.elapsed() < WARN_EVERY && expiries.iter().any(|other| other.path == *path));
        for expiry in expiries.into_iter().filter(|expiry| expiry.at < soon) {
            self.warned.entry(expiry.path.clone()).or_insert_with(|| {
                tell_expiry(&expiry, now);
                Instant::now()
            });
        }
    }
}

fn tell_expiry(expiry: &Expiry, now: i64) {
    let (of, file) = (expiry.of, expiry.path.display());
    if expiry.at <= now {
        tracing::error!(%of, %file, "a certificate has expired: who verifies it is turned away");
    } else {
        let days = (expiry.at - now) / DAY;
        tracing::warn!(%of, %file, days, "a certificate expires soon; renew the file, it is read without a restart");
    }
}
