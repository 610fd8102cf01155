//! Waiting for a state by polling it, with a deadline and a sentence that says what never came.

use std::time::{Duration, Instant};

/// Between two looks at the state.
const POLL: Duration = Duration::from_millis(5);

/// Polls `probe` until it answers true.
///
/// A probe that hangs is abandoned at the deadline, so it may talk to a server that does not answer.
///
/// # Panics
/// When `within` has passed and the probe never answered true; `what` completes "still waiting for".
pub async fn eventually<P, F>(what: &str, within: Duration, mut probe: P)
where
    P: FnMut() -> F,
    F: Future<Output = bool>,
{
    eventually_some(what, within, || {
        let looked = probe();
        async { looked.await.then_some(()) }
    })
    .await;
}

/// Polls `probe` until it has something, and returns that.
///
/// # Panics
/// As [`eventually`].
pub async fn eventually_some<T, P, F>(what: &str, within: Duration, mut probe: P) -> T
where
    P: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let started = Instant::now();
    let polling = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    match tokio::time::timeout(within, polling).await {
        Ok(found) => found,
        Err(_) => panic!("still waiting for {what} after {:?}", started.elapsed()),
    }
}

/// Polls `look` until it finds nothing to complain of.
///
/// # Panics
/// As [`eventually`], with the last complaint.
pub async fn eventually_ok<P, F>(what: &str, within: Duration, mut look: P)
where
    P: FnMut() -> F,
    F: Future<Output = Result<(), String>>,
{
    let started = Instant::now();
    let mut complaint = "it was not looked at to the end even once".to_owned();
    let polling = async {
        while let Err(found) = look().await {
            complaint = found;
            tokio::time::sleep(POLL).await;
        }
    };
    if tokio::time::timeout(within, polling).await.is_err() {
        panic!("still waiting for {what} after {:?}: {complaint}", started.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_at_the_first_true() {
        let mut looks = 0;
        eventually("the third look", Duration::from_secs(5), || {
            looks += 1;
            let seen = looks;
            async move { seen == 3 }
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "it is raining")]
    async fn the_last_complaint_is_told() {
        eventually_ok("the sun", Duration::from_millis(20), async || Err("it is raining".to_owned())).await;
    }

    #[tokio::test]
    #[should_panic(expected = "still waiting for a hung probe")]
    async fn a_hung_probe_ends_at_the_deadline() {
        eventually("a hung probe", Duration::from_millis(20), std::future::pending).await;
    }
}
