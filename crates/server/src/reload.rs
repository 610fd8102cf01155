//! Takes up new settings while running: on SIGHUP, and when the file changes.
//!
//! The file's folder is watched rather than the file, because editors and orchestrators replace files; and the content
//! is compared now and then all the same, because not every file system tells of changes. A new file that is broken is
//! refused whole and told once; the settings in force stay in force.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use failsoft::settings::{self, Effect};
use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::certificates::Certificates;
use crate::shared::Shared;

/// How often the content is compared where nothing was told.
const GLANCE: Duration = Duration::from_secs(5);
/// How long to wait after a change for the writer to finish.
const SETTLE: Duration = Duration::from_millis(50);

/// Keeps the engine's settings those of the file at `path`, for as long as it is polled.
pub async fn follow(path: PathBuf, shared: Arc<Shared>) {
    let (sender, mut changed) = mpsc::channel(1);
    let _watcher = watch(&path, sender);
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP: settings will not be reloaded"),
    };
    let hasher = RandomState::new();
    let fingerprint = |path: &Path| std::fs::read(path).ok().map(|content| hasher.hash_one(content));
    let mut seen = fingerprint(&path);
    let mut certificates = Certificates::new(shared.clone());
    let mut glance = interval(GLANCE);
    glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => Asked::ByOperator,
            _ = changed.recv() => { sleep(SETTLE).await; Asked::ByFile }
            _ = glance.tick() => Asked::ByFile,
        };
        let found = fingerprint(&path);
        if asked == Asked::ByFile && (found == seen || found.is_none()) {
            certificates.glance();
            continue;
        }
        seen = found;
        take_up(&path, &shared);
        certificates.refresh();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByOperator,
    ByFile,
}

/// Tells `sender` when anything in the file's folder changes; without a watcher the glance has to do.
fn watch(path: &Path, sender: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let told = move |event: notify::Result<notify::Event>| {
        // Reading the file is an event too, and would be answered by reading it.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        // A full channel already holds the news.
        let _ = sender.try_send(());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher.inspect_err(|error| tracing::warn!(%error, "cannot watch the settings' folder; looking now and then")).ok()
}

fn take_up(path: &Path, shared: &Shared) {
    let loaded = match settings::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            shared.stats().reloads.increment("refused");
            return tracing::error!("the new settings are refused, the old ones stay in force:\n{problems}");
        }
    };
    match shared.engine().reload(loaded.settings) {
        Err(error) => {
            shared.stats().reloads.increment("refused");
            tracing::error!(%error, "the new settings are refused, the old ones stay in force");
        }
        Ok(changes) => {
            shared.stats().reloads.increment("taken_up");
            let restart: Vec<_> = changes.iter().filter(|change| change.effect == Effect::Restart).collect();
            tracing::info!(changes = changes.len(), "settings taken up");
            for change in restart {
                tracing::warn!(setting = %change.path, "takes effect only after a restart");
            }
        }
    }
}
