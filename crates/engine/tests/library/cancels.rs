//! Futures of the library, dropped at any await while Redis is well, silent and gone: nothing is lost by it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use failsoft::client::{Cache, Error, Failsoft, Limit, Limiter, Locks, Raw, Route, Sessions, Tier};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use tokio::task::{JoinSet, yield_now};

use crate::common::{Count, PATIENCE, hasty};

const ACTORS: u64 = 40;
const ACTS: u64 = 250;
/// Few, so that many actors want the same one.
const KEYS: u64 = 16;

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// Drops `work` after it has been polled so often; what it said, if it was done by then.
async fn within_polls<T>(polls: u64, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|turn| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(turn).map(Some)
    })
    .await
}

fn fifty() -> Limit {
    Limit::new(50, Duration::from_secs(1), 50).unwrap()
}

struct Stage {
    failsoft: Failsoft,
    cache: Cache<String, Raw>,
    sessions: Sessions<String, Raw>,
    locks: Locks,
    limiter: Limiter,
    done: Count,
    dropped: Count,
}

impl Stage {
    fn new(redis: &Redis) -> Self {
        let cache = Route::cache("page:{id}")
            .ttl(Duration::from_secs(1))
            .max_stale(PATIENCE)
            .max_concurrency(3)
            .queue(8)
            .load_timeout(Duration::from_millis(200));
        let route = Route::session("session:*");
        let failsoft = hasty(redis)
            .timeout(Duration::from_millis(50))
            .route(cache)
            .route(route)
            .route(Route::lock("lock:*"))
            .route(Route::rate_limit("limit:*"))
            .build()
            .unwrap();
        Self {
            cache: failsoft.cache("page").unwrap().with_codec(Raw),
            sessions: failsoft.sessions("session").unwrap().with_codec(Raw),
            locks: failsoft.locks("lock").unwrap(),
            limiter: failsoft.limiter("limit").unwrap(),
            failsoft,
            done: Count::default(),
            dropped: Count::default(),
        }
    }

    /// One call of any kind, that is dropped after few polls or many.
    async fn act(&self, dice: &mut Dice) {
        let polls = [1, 2, 3, 5, 1_000][dice.roll(5) as usize];
        let (page, session) = (format!("page:{}", dice.roll(KEYS)), format!("session:{}", dice.roll(KEYS)));
        let pause = Duration::from_millis(dice.roll(3));
        let text = "some text".to_owned();
        let load = async move || {
            // sleeps: the time that a load takes
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(Some("some text".to_owned()))
        };
        let lock = format!("lock:{}", dice.roll(KEYS));
        let ended = match dice.roll(10) {
            0..=3 => within_polls(polls, async { self.cache.get_or_load(&page, load).await.map(drop) }).await,
            4 => within_polls(polls, async { self.cache.get(&page).await.map(drop) }).await,
            5 => within_polls(polls, self.cache.invalidate(&page)).await,
            6 => within_polls(polls, async { self.locks.try_acquire(&lock, PATIENCE).await.map(drop) }).await,
            7 => within_polls(polls, async { self.limiter.check("limit:a", fifty()).await.map(drop) }).await,
            8 => within_polls(polls, self.sessions.set(&session, &text, PATIENCE)).await,
            _ => within_polls(polls, async { self.sessions.get(&session).await.map(drop) }).await,
        };
        match ended {
            Some(Ok(()) | Err(Error::Unavailable(_) | Error::Overloaded(_) | Error::OutcomeUnknown(_))) => {
                self.done.up()
            }
            Some(Err(error)) => panic!("{error:?}"),
            None => self.dropped.up(),
        };
        yield_now().await;
    }

    fn nobody_has_a_connection_of_his_own(&self) -> bool {
        let page = self.failsoft.metrics();
        let mut gauges =
            page.lines().filter(|line| line.starts_with("failsoft_node_dedicated_connections{")).peekable();
        assert!(gauges.peek().is_some());
        gauges.all(|line| line.ends_with(" 0"))
    }

    fn is_at_rest(&self) -> bool {
        let state = self.failsoft.state();
        state.origins.iter().all(|origin| origin.in_flight == 0 && origin.queued == 0)
            && state.nodes.iter().all(|node| node.pending == 0)
            && self.nobody_has_a_connection_of_his_own()
    }
}

async fn crowd(stage: &Arc<Stage>, seed: u64) {
    let mut actors = JoinSet::new();
    for actor in 0..ACTORS {
        let stage = stage.clone();
        actors.spawn(async move {
            let mut dice = Dice(seed * 1_000 + actor);
            for _ in 0..ACTS {
                stage.act(&mut dice).await;
            }
        });
    }
    while let Some(ended) = actors.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_thousand_calls_dropped_anywhere_leave_nothing_behind() {
    let redis = Redis::start().await;
    let stage = Arc::new(Stage::new(&redis));
    crowd(&stage, 1).await;
    redis.pause();
    crowd(&stage, 2).await;
    redis.resume();
    redis.kill().await;
    crowd(&stage, 3).await;
    let calls = (3 * ACTORS * ACTS) as usize;
    assert_eq!(stage.done.get() + stage.dropped.get(), calls);
    assert!(stage.dropped.get() > 1_000 && stage.done.get() > 1_000, "{} done", stage.done.get());
    eventually("all to be at rest", PATIENCE, || async { stage.is_at_rest() }).await;
    let load = || async { Ok::<_, io::Error>(Some("new".to_owned())) };
    let answer = stage.cache.get_or_load("page:new", load).await.unwrap();
    assert_eq!((answer.value.as_deref(), answer.tier), (Some("new"), Tier::Origin), "without Redis");
    redis.restart_empty().await;
    let is_back = || async { stage.sessions.get("session:1").await.is_ok() };
    eventually("sessions to be answered again", PATIENCE, is_back).await;
    assert_eq!(stage.failsoft.shutdown(PATIENCE).await, Ok(()));
}
