//! The library's locks and idempotency records before a real Redis: who holds, for how long, and who knows it.

use std::io;
use std::time::{Duration, Instant};

use failsoft::client::{Done, Error, Failsoft, Idempotency, Locks, Route, RunError};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::{eventually, eventually_some};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::common::{Count, PATIENCE, before};

const MINUTE: Duration = Duration::from_secs(60);

fn locking(redis: &Redis) -> (Failsoft, Locks) {
    let failsoft = before(redis).route(Route::lock("lock:*")).build().unwrap();
    let locks = failsoft.locks("lock").unwrap();
    (failsoft, locks)
}

fn recording(redis: &Redis) -> (Failsoft, Idempotency) {
    let failsoft = before(redis).route(Route::idempotency("done:*")).build().unwrap();
    let records = failsoft.idempotency("done").unwrap();
    (failsoft, records)
}

#[tokio::test]
async fn one_holds_it_and_the_next_has_the_greater_token() {
    let redis = Redis::start().await;
    let (_failsoft, locks) = locking(&redis);
    let first = locks.try_acquire("lock:a", MINUTE).await.unwrap().unwrap();
    assert!(first.is_proven() && locks.try_acquire("lock:a", MINUTE).await.unwrap().is_none());
    assert!(locks.acquire("lock:a", MINUTE, Duration::from_millis(30)).await.unwrap().is_none());
    let other = locks.try_acquire("lock:b", MINUTE).await.unwrap();
    assert!(other.is_some(), "another lock is another's");
    let token = first.token();
    first.release().await.unwrap();
    assert_eq!(redis.get("lock:a").await, None);
    let second = locks.acquire("lock:a", MINUTE, PATIENCE).await.unwrap().unwrap();
    assert!(second.token() > token);
    second.release().await.unwrap();
    assert!(locks.acquire("lock:a", MINUTE, Duration::MAX).await.unwrap().is_some(), "who waits for ever may");
}

#[tokio::test]
async fn a_lock_is_extended_for_as_long_as_it_is_held() {
    let redis = Redis::start().await;
    let (_failsoft, locks) = locking(&redis);
    let ttl = Duration::from_secs(2);
    let lock = locks.try_acquire("lock:a", ttl).await.unwrap().unwrap();
    let begun = Instant::now();
    let outlived = || async { begun.elapsed() > ttl * 2 };
    eventually("two of its times to pass", PATIENCE, outlived).await;
    assert!(lock.is_proven() && locks.try_acquire("lock:a", ttl).await.unwrap().is_none());
    assert!(timeout(Duration::from_millis(1), lock.lost()).await.is_err());
}

#[tokio::test]
async fn a_guard_that_is_dropped_releases_its_lock() {
    let redis = Redis::start().await;
    let (failsoft, locks) = locking(&redis);
    drop(locks.try_acquire("lock:a", MINUTE).await.unwrap().unwrap());
    let next = locks.acquire("lock:a", MINUTE, PATIENCE).await.unwrap();
    assert!(next.is_some());
    assert_eq!(failsoft.shutdown(PATIENCE).await, Ok(()), "a shutdown releases what is held");
    assert_eq!(redis.get("lock:a").await, None);
    timeout(PATIENCE, next.unwrap().lost()).await.unwrap();
}

#[tokio::test]
async fn who_stops_waiting_for_a_lock_does_not_hold_it() {
    let redis = Redis::start().await;
    let (failsoft, locks) = locking(&redis);
    for micros in 0..200 {
        let waiting = locks.try_acquire("lock:a", MINUTE);
        let _ = timeout(Duration::from_micros(micros * 5), waiting).await;
    }
    eventually("nobody to hold it", PATIENCE, || async { redis.get("lock:a").await.is_none() }).await;
    assert_eq!(failsoft.shutdown(PATIENCE).await, Ok(()));
}

#[tokio::test]
async fn a_lease_that_cannot_be_proven_any_more_is_told_of_in_time() {
    let redis = Redis::start().await;
    let (_failsoft, locks) = locking(&redis);
    let ttl = Duration::from_secs(1);
    let asked = Instant::now();
    let lock = locks.try_acquire("lock:a", ttl).await.unwrap().unwrap();
    redis.pause();
    timeout(PATIENCE, lock.lost()).await.unwrap();
    assert!(!lock.is_proven() && asked.elapsed() >= ttl * 9 / 10);
    redis.resume();
    drop(lock);
    eventually("nobody to hold it", PATIENCE, || async { redis.get("lock:a").await.is_none() }).await;
}

#[tokio::test]
async fn a_lock_that_somebody_has_taken_away_is_lost() {
    let redis = Redis::start().await;
    let (_failsoft, locks) = locking(&redis);
    let lock = locks.try_acquire("lock:a", Duration::from_secs(3)).await.unwrap().unwrap();
    redis.command(&["DEL", "lock:a"]).await;
    timeout(PATIENCE, lock.lost()).await.unwrap();
    assert!(matches!(lock.release().await, Err(Error::NotHeld(_))));
}

#[tokio::test]
async fn work_is_done_once_and_its_result_told_again() {
    let redis = Redis::start().await;
    let (_failsoft, records) = recording(&redis);
    let count = Count::default();
    let charge = || {
        let count = count.clone();
        move |_token| async move { Ok::<_, io::Error>(count.up() + 1) }
    };
    assert_eq!(records.run("done:1", MINUTE, charge()).await.unwrap(), Done::Now(1));
    assert_eq!(records.run("done:1", MINUTE, charge()).await.unwrap(), Done::Before(1));
    assert_eq!(records.run("done:2", MINUTE, charge()).await.unwrap().into_inner(), 2);
}

#[tokio::test]
async fn work_that_fails_is_for_the_next_to_do() {
    let redis = Redis::start().await;
    let (_failsoft, records) = recording(&redis);
    let fails = |_| async { Err::<u32, _>(io::Error::other("declined")) };
    let error = records.run("done:1", MINUTE, fails).await.unwrap_err();
    assert!(matches!(&error, RunError::Work(why) if why.to_string() == "declined") && error.is_retryable());
    let works = |_| async { Ok::<_, io::Error>(7) };
    assert_eq!(records.run("done:1", MINUTE, works).await.unwrap(), Done::Now(7));
}

#[tokio::test]
async fn while_it_is_done_nobody_else_begins_it_and_who_goes_away_leaves_it_done() {
    let redis = Redis::start().await;
    let (_failsoft, records) = recording(&redis);
    let (open, mut gate) = watch::channel(false);
    let begun = Count::default();
    let first = tokio::spawn({
        let (records, begun) = (records.clone(), begun.clone());
        let work = async move |_token| {
            begun.up();
            gate.wait_for(|open| *open).await?;
            Ok::<_, watch::error::RecvError>(7_u32)
        };
        async move { records.run("done:1", MINUTE, work).await }
    });
    eventually("the work to begin", PATIENCE, || async { begun.get() == 1 }).await;
    let again = |_| async { Ok::<u32, io::Error>(8) };
    assert!(matches!(records.run("done:1", MINUTE, again).await, Err(RunError::InProgress(Some(_)))));
    first.abort();
    open.send_replace(true);
    let done =
        eventually_some("the work to be done", PATIENCE, || async { records.run("done:1", MINUTE, again).await.ok() });
    assert_eq!(done.await, Done::Before(7));
}

#[tokio::test]
async fn without_redis_nothing_is_begun_and_what_may_not_be_kept_is_said() {
    let redis = Redis::start().await;
    let (failsoft, records) = recording(&redis);
    let redis = &redis;
    let (open, mut gate) = watch::channel(false);
    let begun = Count::default();
    let doing = {
        let begun = begun.clone();
        let work = async move |_token| {
            begun.up();
            gate.wait_for(|open| *open).await?;
            Ok::<_, watch::error::RecvError>(7_u32)
        };
        records.run("done:1", MINUTE, work)
    };
    let killing = async {
        eventually("the work to begin", PATIENCE, || async { begun.get() == 1 }).await;
        redis.kill().await;
        open.send_replace(true);
    };
    let (done, ()) = tokio::join!(doing, killing);
    assert!(matches!(done, Err(RunError::Unkept { result: 7, .. })), "{done:?}");
    let never = |_| async { panic!("begun without a record") };
    let refused = records.run::<u32, _, _, io::Error>("done:2", MINUTE, never).await.unwrap_err();
    assert!(matches!(&refused, RunError::NotBegun(Error::Unavailable(_))) && refused.is_retryable(), "{refused}");
    drop(failsoft);
}
