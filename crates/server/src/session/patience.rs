//! How long a client may let its session wait, and for what.
//!
//! Three waits and one timer: for the rest of a command that has begun, for replies to be taken, and, if that is set, for
//! anything at all. The timer is let fire early rather than moved with every request, so that a wait that is always
//! pushed on costs nothing while requests flow; where nothing is waited for there is none.
//!
//! A client is idle only while nothing of it is under way: one that waits for an answer, or for messages, is not.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use failsoft::clock::Clock;
use failsoft_core::Time;
use tokio::time::{Sleep, sleep_until};

use super::Ended;

/// A command must be whole this long after its first byte, plus as long again for each [`FRAME_PROGRESS`] bytes.
const FRAME_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that buy a slow sender another [`FRAME_PATIENCE`].
const FRAME_PROGRESS: usize = 64 << 10;

/// How long clients may let wait, as it is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// For anything at all; for ever if there is none.
    pub(crate) idle: Option<Duration>,
    /// For a byte of what is there for it to be taken.
    pub(crate) write: Duration,
}

/// Whether something of a client is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engagement {
    /// It waits for an answer or a message, or there is something for it to take.
    UnderWay,
    /// It is its turn.
    Free,
}

/// Whether a client is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// What it sends is read.
    Open,
    /// It has sent enough for now: not sending is no fault.
    Shut,
}

/// The patience with one client.
pub(super) struct Patience {
    clock: Clock,
    waits: Waits,
    /// Until when the command that has begun must be whole, and with how many bytes that was said.
    frame: Option<(Time, usize)>,
    /// Since when nothing has been taken of what is there.
    stalled: Option<Time>,
    /// When a request came or the last one ended.
    heard: Time,
    engagement: Engagement,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(clock: Clock, waits: Waits) -> Self {
        let heard = clock.now();
        Self { clock, waits, frame: None, stalled: None, heard, engagement: Engagement::Free, timer: None }
    }

    /// Something has come at `now`.
    #[inline]
    pub(super) fn handle_bytes(&mut self, now: Time) {
        self.heard = now;
    }

    /// A command is whole, or none has begun.
    #[inline]
    pub(super) fn handle_whole(&mut self) {
        self.frame = None;
    }

    /// A command has begun, and `received` bytes of it and of what comes after it are there.
    pub(super) fn handle_unfinished(&mut self, received: usize) {
        if self.frame.is_none_or(|(_, paid)| received >= paid + FRAME_PROGRESS) {
            self.frame = Some((self.clock.now() + FRAME_PATIENCE, received));
        }
    }

    /// The client has taken something.
    #[inline]
    pub(super) fn handle_taken(&mut self) {
        self.stalled = None;
    }

    /// The client takes nothing of what is there.
    pub(super) fn handle_stall(&mut self) {
        if self.stalled.is_none() {
            self.stalled = Some(self.clock.now());
        }
    }

    /// Notes whether something is under way; the client's own time begins when nothing is any more.
    #[inline]
    pub(super) fn note(&mut self, engagement: Engagement) {
        if self.waits.idle.is_some() && (self.engagement, engagement) == (Engagement::UnderWay, Engagement::Free) {
            self.heard = self.clock.now();
        }
        self.engagement = engagement;
    }

    /// Ready when the client has let wait for too long.
    pub(super) fn poll(&mut self, hearing: Hearing, cx: &mut Context<'_>) -> Poll<Ended> {
        let Some((due, ended)) = self.due(hearing) else {
            self.timer = None;
            return Poll::Pending;
        };
        let due = self.clock.instant(due);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= due {
                return Poll::Ready(ended);
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// What the client must have done first, and by when.
    fn due(&self, hearing: Hearing) -> Option<(Time, Ended)> {
        let whole = self.frame.map(|(due, _)| (due, Ended::Slow)).filter(|_| hearing == Hearing::Open);
        let taken = self.stalled.map(|since| (since + self.waits.write, Ended::SlowReader));
        let heard = self.waits.idle.map(|idle| (self.heard + idle, Ended::Idle));
        let heard = heard.filter(|_| self.engagement == Engagement::Free);
        [whole, taken, heard].into_iter().flatten().min_by_key(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use super::*;

    const WAITS: Waits = Waits { idle: Some(Duration::from_secs(100)), write: Duration::from_secs(60) };

    fn patience(waits: Waits) -> Patience {
        Patience::new(Clock::start(), waits)
    }

    fn due(patience: &Patience, hearing: Hearing) -> Option<(u64, Ended)> {
        let in_seconds = |(due, ended): (Time, Ended)| (due.since(Time::ZERO).as_secs(), ended);
        patience.due(hearing).map(in_seconds)
    }

    #[tokio::test]
    async fn without_an_idle_time_a_client_that_owes_nothing_may_stay() {
        let mut patience = patience(Waits { idle: None, ..WAITS });
        assert_eq!(due(&patience, Hearing::Open), None);
        assert!(patience.poll(Hearing::Open, &mut Context::from_waker(Waker::noop())).is_pending());
        assert!(patience.timer.is_none());
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_is_not_idle() {
        let mut patience = patience(WAITS);
        assert_eq!(due(&patience, Hearing::Open), Some((100, Ended::Idle)));
        patience.note(Engagement::UnderWay);
        assert_eq!(due(&patience, Hearing::Open), None);
        patience.heard = Time::ZERO;
        patience.note(Engagement::Free);
        assert!(patience.heard > Time::ZERO, "its time begins with the answer");
    }

    #[tokio::test]
    async fn the_first_wait_that_is_over_counts_and_who_is_not_read_from_need_not_send() {
        let mut patience = patience(WAITS);
        patience.handle_unfinished(10);
        assert_eq!(due(&patience, Hearing::Open), Some((30, Ended::Slow)));
        patience.handle_stall();
        assert_eq!(due(&patience, Hearing::Shut), Some((60, Ended::SlowReader)));
        patience.handle_taken();
        patience.handle_whole();
        assert_eq!(due(&patience, Hearing::Open), Some((100, Ended::Idle)));
    }

    #[tokio::test]
    async fn only_much_progress_buys_a_slow_sender_more_time() {
        let mut patience = patience(WAITS);
        let first = Time::ZERO + Duration::from_secs(1);
        patience.frame = Some((first, 10));
        patience.handle_unfinished(10 + FRAME_PROGRESS - 1);
        assert_eq!(patience.frame, Some((first, 10)));
        patience.handle_unfinished(10 + FRAME_PROGRESS);
        assert!(patience.frame > Some((first, 10 + FRAME_PROGRESS)));
    }

    #[tokio::test]
    async fn a_timer_that_is_behind_goes_on_to_where_the_wait_ends() {
        let later = Duration::from_millis(60);
        let mut patience = patience(Waits { idle: Some(Duration::from_millis(20)), ..WAITS });
        let begun = std::time::Instant::now();
        let mut has_been_heard = false;
        let ended = poll_fn(|cx| {
            let ended = patience.poll(Hearing::Open, cx);
            if !std::mem::replace(&mut has_been_heard, true) {
                patience.heard = patience.heard + later;
            }
            ended
        })
        .await;
        assert_eq!(ended, Ended::Idle);
        assert!(begun.elapsed() >= later, "over after {:?}", begun.elapsed());
    }
}
