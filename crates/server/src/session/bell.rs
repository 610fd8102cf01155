//! The word of rare events that concern every client: new settings, and the end.
//!
//! Waiting for them anew would cost each turn of a session several locks. They are waited for once, with a waker that
//! remembers having been woken, so that a turn costs one look at a flag.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use failsoft::shutdown::Shutdown;
use tokio::sync::watch;

/// What was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// There are new settings.
    Reload,
    /// failsoft is shutting down; nothing more will be told.
    Shutdown,
}

/// One session's ear for what concerns all.
pub(super) struct Bell {
    waiting: Option<Pin<Box<dyn Future<Output = Told> + Send>>>,
    clapper: Arc<Clapper>,
}

/// A word, and by whom the next is told.
type Told = (Word, watch::Receiver<u64>, Shutdown);

/// Wakes the session's task, and remembers it.
struct Clapper {
    rung: AtomicBool,
    task: Waker,
}

impl Wake for Clapper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Bell {
    /// Rings for each reload that `reloads` has not seen, and once for the shutdown.
    pub(super) fn new(reloads: watch::Receiver<u64>, shutdown: Shutdown) -> Self {
        Self { waiting: Some(Box::pin(wait(reloads, shutdown))), clapper: Clapper::of(Waker::noop()) }
    }

    /// The next word.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Word> {
        if !self.clapper.task.will_wake(cx.waker()) {
            self.clapper = Clapper::of(cx.waker());
        }
        let Some(waiting) = &mut self.waiting else {
            return Poll::Pending;
        };
        if !self.clapper.rung.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.clapper.clone());
        let Poll::Ready((word, reloads, shutdown)) = waiting.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return Poll::Pending;
        };
        self.waiting = match word {
            Word::Reload => Some(Box::pin(wait(reloads, shutdown))),
            Word::Shutdown => None,
        };
        // Whoever waits anew has to say so.
        self.clapper.rung.store(true, Ordering::Release);
        Poll::Ready(word)
    }
}

impl Clapper {
    /// Of a bell that has not been listened to by this task.
    fn of(task: &Waker) -> Arc<Self> {
        Arc::new(Self { rung: AtomicBool::new(true), task: task.clone() })
    }
}

async fn wait(mut reloads: watch::Receiver<u64>, shutdown: Shutdown) -> Told {
    let word = tokio::select! {
        biased;
        () = shutdown.begun() => Word::Shutdown,
        Ok(()) = reloads.changed() => Word::Reload,
    };
    (word, reloads, shutdown)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Ears {
        bell: Bell,
        reloads: watch::Sender<u64>,
        shutdown: Shutdown,
    }

    fn ears() -> Ears {
        let (reloads, shutdown) = (watch::Sender::new(0), Shutdown::default());
        Ears { bell: Bell::new(reloads.subscribe(), shutdown.clone()), reloads, shutdown }
    }

    #[test]
    fn each_reload_is_told_once_and_wakes_the_task() {
        let Ears { mut bell, reloads, shutdown: _shutdown } = ears();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        for reload in 1..4 {
            assert_eq!(bell.poll(&cx), Poll::Pending);
            reloads.send_replace(reload);
            assert_eq!(count.0.load(Ordering::Relaxed), reload as usize);
            assert_eq!(bell.poll(&cx), Poll::Ready(Word::Reload));
        }
        assert_eq!(bell.poll(&cx), Poll::Pending);
    }

    #[test]
    fn a_task_that_takes_over_is_woken() {
        let Ears { mut bell, reloads, shutdown: _shutdown } = ears();
        assert_eq!(bell.poll(&Context::from_waker(Waker::noop())), Poll::Pending);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        assert_eq!(bell.poll(&Context::from_waker(&waker)), Poll::Pending);
        reloads.send_replace(1);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_shutdown_is_told_once_also_to_those_who_come_late() {
        let Ears { mut bell, reloads, shutdown } = ears();
        shutdown.begin();
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(bell.poll(&cx), Poll::Ready(Word::Shutdown));
        reloads.send_replace(1);
        assert_eq!(bell.poll(&cx), Poll::Pending);
    }
}
