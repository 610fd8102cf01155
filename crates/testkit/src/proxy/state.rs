//! What a proxy's connections share: the faults in force, and the counters.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::faults::{Mode, OneShot, Toxics};

pub(super) struct State {
    mode: watch::Sender<Mode>,
    toxics: Mutex<Toxics>,
    upstream: Mutex<SocketAddr>,
    /// Each with the replies still to pass before it strikes.
    armed: Mutex<Vec<(u64, OneShot)>>,
    requests: AtomicU64,
    replies: AtomicU64,
    random: Mutex<u64>,
    news: watch::Sender<News>,
}

/// What becomes of what upstream says on connections that are told of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Pass,
    Held,
}

impl State {
    pub(super) fn new(upstream: SocketAddr) -> Self {
        Self {
            mode: watch::Sender::new(Mode::Pass),
            toxics: Mutex::default(),
            upstream: Mutex::new(upstream),
            armed: Mutex::default(),
            requests: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            random: Mutex::new(0),
            news: watch::Sender::new(News::Pass),
        }
    }

    pub(super) fn set_mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub(super) fn watch_mode(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    pub(super) fn set_news(&self, news: News) {
        self.news.send_replace(news);
    }

    /// Returns when news pass.
    pub(super) async fn news_pass(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.news.subscribe().wait_for(|news| *news == News::Pass).await;
    }

    pub(super) fn set_toxics(&self, toxics: Toxics) {
        *self.toxics.lock() = toxics;
    }

    pub(super) fn toxics(&self) -> Toxics {
        *self.toxics.lock()
    }

    pub(super) fn set_upstream(&self, upstream: SocketAddr) {
        *self.upstream.lock() = upstream;
    }

    pub(super) fn upstream(&self) -> SocketAddr {
        *self.upstream.lock()
    }

    pub(super) fn arm(&self, nth: u64, fault: OneShot) {
        self.armed.lock().push((nth, fault));
    }

    pub(super) fn armed(&self) -> usize {
        self.armed.lock().len()
    }

    pub(super) fn disarm(&self) {
        self.armed.lock().clear();
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Counts a reply and takes the fault that strikes it. Of two due at once the later armed waits for the next.
    pub(super) fn count_reply(&self) -> Option<OneShot> {
        self.replies.fetch_add(1, Ordering::SeqCst);
        let mut armed = self.armed.lock();
        armed.iter_mut().for_each(|(left, _)| *left = left.saturating_sub(1));
        let due = armed.iter().position(|(left, _)| *left == 0)?;
        Some(armed.remove(due).1)
    }

    pub(super) fn replies(&self) -> u64 {
        self.replies.load(Ordering::SeqCst)
    }

    /// The delay of one frame under the toxics in force.
    pub(super) fn delay(&self) -> Duration {
        let toxics = self.toxics();
        if self.random() >= toxics.toxicity {
            return Duration::ZERO;
        }
        toxics.latency + toxics.jitter.mul_f64(self.random())
    }

    /// From 0 up to but not including 1, in the same order in every run (SplitMix64, Steele et al. 2014).
    fn random(&self) -> f64 {
        let mut state = self.random.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits are left");
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new(([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn a_one_shot_strikes_the_reply_it_was_armed_for_and_no_other() {
        let state = state();
        state.arm(3, OneShot::Garbage);
        state.arm(1, OneShot::Lose);
        let struck = [(); 4].map(|()| state.count_reply());
        assert_eq!(struck, [Some(OneShot::Lose), None, Some(OneShot::Garbage), None]);
    }

    #[test]
    fn two_due_at_once_strike_one_after_the_other() {
        let state = state();
        state.arm(1, OneShot::Garbage);
        state.arm(1, OneShot::Lose);
        assert_eq!([(); 3].map(|()| state.count_reply()), [Some(OneShot::Garbage), Some(OneShot::Lose), None]);
    }

    #[test]
    fn toxicity_is_the_share_of_frames_that_are_delayed() {
        let state = state();
        let latency = Duration::from_millis(2);
        state.set_toxics(Toxics { latency, jitter: latency, toxicity: 0.05, ..Toxics::default() });
        let delays: Vec<Duration> = (0..10_000).map(|_| state.delay()).collect();
        let delayed: Vec<_> = delays.into_iter().filter(|delay| !delay.is_zero()).collect();
        assert!((400..600).contains(&delayed.len()), "{}", delayed.len());
        assert!(delayed.iter().all(|delay| (latency..latency * 2).contains(delay)));
    }
}
