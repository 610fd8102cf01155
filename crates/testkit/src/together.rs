//! Several futures at once, in one task: `join_all` without the crate it comes in.
//!
//! Every wake-up polls all that are not done yet, which is the right price for the handful of servers of a test.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Runs all of them to their ends and returns what they came to, in their order.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut runs: Vec<_> = futures.into_iter().map(|future| Run::Going(Box::pin(future))).collect();
    poll_fn(|context| {
        for run in &mut runs {
            if let Run::Going(future) = run
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *run = Run::Done(output);
            }
        }
        match runs.iter().any(|run| matches!(run, Run::Going(_))) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    runs.into_iter().filter_map(Run::done).collect()
}

enum Run<F: Future> {
    Going(Pin<Box<F>>),
    Done(F::Output),
}

impl<F: Future> Run<F> {
    fn done(self) -> Option<F::Output> {
        match self {
            Self::Done(output) => Some(output),
            Self::Going(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn they_run_at_once_and_come_back_in_order() {
        let barrier = Barrier::new(3);
        let meeting = all((0..3).map(|number| {
            let barrier = &barrier;
            async move {
                barrier.wait().await;
                number
            }
        }));
        let met = tokio::time::timeout(Duration::from_secs(5), meeting).await;
        assert_eq!(met, Ok(vec![0, 1, 2]));
    }
}
