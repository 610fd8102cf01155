//! Looks at the sidecar's figures twenty times a second, for as long as it is kept.
//!
//! A look that fails is left out: figures between two looks are lost, not invented.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use super::page::{Figures, Scraper};
use super::peak::{Look, peak};

const EVERY: Duration = Duration::from_millis(50);

/// What has been seen so far, and the task that keeps looking.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Rc<RefCell<Vec<Sight>>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct Sight {
    asked: Instant,
    heard: Instant,
    figures: Figures,
}

impl Watch {
    /// Begins to look; to be called inside a `LocalSet`.
    pub(super) fn start(scraper: Scraper) -> Self {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let task = spawn_local(look(scraper, Rc::clone(&seen)));
        Self { seen, task }
    }

    /// Whether traffic flows to a primary for every key, as last seen at `since` or later.
    pub(super) fn is_redis_trusted(&self, since: Instant) -> bool {
        let seen = self.seen.borrow();
        let last = seen.last().filter(|sight| sight.asked >= since);
        last.and_then(|sight| sight.figures.is_redis_trusted).unwrap_or(false)
    }

    /// The most statements SQLite was given in a second that ends between the two moments.
    pub(super) fn origin_peak(&self, from: Instant, to: Instant) -> Option<u64> {
        let look = |sight: &Sight| {
            let count = sight.figures.statements?;
            Some(Look { asked: sight.asked, heard: sight.heard, count })
        };
        let looks: Vec<Look> = self.seen.borrow().iter().filter_map(look).collect();
        peak(&looks, from, to)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(scraper: Scraper, seen: Rc<RefCell<Vec<Sight>>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        if let Some(figures) = scraper.figures().await {
            seen.borrow_mut().push(Sight { asked, heard: Instant::now(), figures });
        }
    }
}
