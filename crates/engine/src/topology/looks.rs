//! Who wants the topology looked at anew, and who waits for it.
//!
//! However many ask, there is one look at a time, and no two begin within a pause: ten thousand redirections cause one.
//! Whoever waits waits for a look that began after he asked, since one already under way may have asked the nodes before
//! that happened which he has seen.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// The looks at one deployment.
#[derive(Debug)]
pub(crate) struct Looks {
    wanted: Notify,
    count: watch::Sender<Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    begun: u64,
    done: u64,
}

/// A look that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look(u64);

impl Default for Looks {
    fn default() -> Self {
        Self { wanted: Notify::new(), count: watch::Sender::new(Count::default()) }
    }
}

impl Looks {
    /// Asks for a look, soon; it is the first to begin after this.
    pub(crate) fn ask(&self) -> Look {
        let look = Look(self.count.borrow().begun + 1);
        self.wanted.notify_one();
        look
    }

    /// Returns when `look` has been done, or after `patience`.
    pub(crate) async fn done(&self, look: Look, patience: Duration) {
        let mut count = self.count.subscribe();
        // Whether it was done or the time is up, the caller goes by what is believed then.
        let _ = timeout(patience, count.wait_for(|count| count.done >= look.0)).await;
    }

    /// Returns when somebody has asked for a look that has not begun.
    pub(super) async fn asked(&self) {
        self.wanted.notified().await;
    }

    /// A look begins.
    pub(super) fn handle_begun(&self) {
        self.count.send_modify(|count| count.begun += 1);
    }

    /// The look that has begun is done, and what it has shown can be seen.
    pub(super) fn handle_done(&self) {
        self.count.send_modify(|count| count.done = count.begun);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn is_over(waiting: impl Future<Output = ()>) -> bool {
        let poll = pin!(waiting).poll(&mut Context::from_waker(Waker::noop()));
        poll == Poll::Ready(())
    }

    #[tokio::test]
    async fn ten_thousand_wishes_are_one_look() {
        let looks = Looks::default();
        let wished: Vec<_> = (0..10_000).map(|_| looks.ask()).collect();
        assert!(wished.iter().all(|look| *look == wished[0]));
        looks.asked().await;
        assert!(!is_over(looks.asked()), "asked for twice");
        looks.handle_begun();
        looks.handle_done();
        assert!(is_over(looks.done(wished[0], LONG)));
    }

    #[tokio::test]
    async fn who_asks_during_a_look_waits_for_the_next() {
        let looks = Looks::default();
        looks.handle_begun();
        let look = looks.ask();
        looks.handle_done();
        assert!(!is_over(looks.done(look, LONG)), "content with a look that had begun before");
        looks.handle_begun();
        looks.handle_done();
        assert!(is_over(looks.done(look, LONG)));
    }
}
