//! One side of the demo: a thread that carries out the reads it is handed, all of them overlapping.
//!
//! Each side has a thread and a runtime to itself, so that a side that drowns does not show in the other's latencies.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use super::error::DemoError;
use super::live::Live;
use super::pacer::Due;
use super::reader::Reader;
use super::tally::Tally;

/// What a side came to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// By the phase's place in the play.
    pub(super) tallies: Vec<Tally>,
    /// When the side has asked the database by itself.
    pub(super) asked: Vec<Instant>,
}

/// A running side.
#[derive(Debug)]
pub(super) struct Side {
    name: &'static str,
    outcome: oneshot::Receiver<Outcome>,
}

impl Side {
    /// Starts a thread, connects in it, and returns where reads are to be sent.
    pub(super) async fn start<R: Reader>(
        name: &'static str,
        live: Arc<Live>,
        connect: impl AsyncFnOnce() -> Result<R, DemoError> + Send + 'static,
    ) -> Result<(Self, mpsc::UnboundedSender<Due>), DemoError> {
        let (sender, reads) = mpsc::unbounded_channel();
        let (ready, connected) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let body = move || {
            let work = async move {
                match connect().await {
                    Ok(reader) => {
                        // Whoever is gone by now does not want to know.
                        let _ = ready.send(Ok(()));
                        let _ = done.send(drive(reader, reads, live).await);
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            };
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| LocalSet::new().block_on(&runtime, work))
        };
        thread::Builder::new().name(name.to_owned()).spawn(body).map_err(DemoError::io("start a thread"))?;
        connected.await.map_err(|_| DemoError::Panicked(name))??;
        Ok((Self { name, outcome }, sender))
    }

    /// Waits for the reads that are under way. The sender must have been dropped before.
    pub(super) async fn finish(self) -> Result<Outcome, DemoError> {
        self.outcome.await.map_err(|_| DemoError::Panicked(self.name))
    }
}

async fn drive<R: Reader>(reader: R, mut reads: mpsc::UnboundedReceiver<Due>, live: Arc<Live>) -> Outcome {
    let reader = Rc::new(reader);
    let tallies = Rc::new(RefCell::new(vec![Tally::default(); live.phases()]));
    let (under_way, mut all_back) = mpsc::channel::<Infallible>(1);
    while let Some(due) = reads.recv().await {
        let (reader, tallies, live) = (Rc::clone(&reader), Rc::clone(&tallies), Arc::clone(&live));
        let under_way = under_way.clone();
        spawn_local(async move {
            let answer = reader.read(due.user).await;
            live.count(due.phase, &answer);
            tallies.borrow_mut()[due.phase].count(answer, due.at.elapsed());
            drop(under_way);
        });
    }
    drop(under_way);
    let _nobody_ever_sends = all_back.recv().await;
    Outcome { tallies: tallies.take(), asked: reader.asked() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::commands::demo::reader::Answer;

    struct Slow;

    impl Reader for Slow {
        async fn read(&self, user: u32) -> Answer {
            tokio::time::sleep(Duration::from_millis(u64::from(user))).await;
            Answer::Right
        }

        fn asked(&self) -> Vec<Instant> {
            Vec::new()
        }
    }

    #[tokio::test]
    async fn every_read_is_waited_for_and_counted_in_the_phase_in_which_it_was_due() {
        let live = Arc::new(Live::new(3));
        let (side, sender) = Side::start("test", Arc::clone(&live), async || Ok(Slow)).await.unwrap();
        for (user, phase) in [(50, 1), (1, 2), (100, 2)] {
            sender.send(Due { at: Instant::now(), user, phase }).unwrap();
        }
        drop(sender);
        let outcome = side.finish().await.unwrap();
        assert_eq!(outcome.tallies.iter().map(Tally::reads).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(outcome.tallies[2].latency(1000).unwrap() >= Duration::from_millis(100));
        assert_eq!(live.answered_percent(2), Some(100.0));
    }

    #[tokio::test]
    async fn a_side_that_cannot_connect_says_so() {
        let refused = Side::start("test", Arc::new(Live::new(1)), async || Err::<Slow, _>(DemoError::NoPort)).await;
        assert!(matches!(refused.unwrap_err(), DemoError::NoPort));
    }
}
