//! The script that decides in Redis against the arithmetic that decides here: with times of the test's choosing, with
//! clocks that jump, and with many clients at once on the server's own clock.
//!
//! Where a test chooses the time, what reads the server's clock and what has the key expire by it are replaced; all else
//! is as shipped.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft::primitive::limit::SCRIPT;
use failsoft_core::Time;
use failsoft_core::limit::{Bucket, Limit, Verdict};
use failsoft_testkit::redis::Redis;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use redis::aio::MultiplexedConnection;

const CLOCK: &str = "redis.call('TIME')";
/// Keys live by the server's clock, which the test's moments are not on.
const EXPIRY: &str = ", 'PX', math.ceil(reset / 1000)";

/// What the script replied: what was decided, and the server's microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Replied {
    verdict: Verdict,
    at: u64,
}

/// What is asked of the script.
#[derive(Clone, Copy, Debug)]
struct Asked {
    limit: Limit,
    cost: u32,
    debt: u32,
}

async fn ask(connection: &mut MultiplexedConnection, key: &str, asked: Asked, at: Option<u64>) -> Replied {
    let Asked { limit, cost, debt } = asked;
    let script = match at {
        Some(_) => SCRIPT.replace(CLOCK, "{ ARGV[6], ARGV[7] }").replace(EXPIRY, ""),
        None => SCRIPT.to_owned(),
    };
    assert_eq!(at.is_some(), !script.contains(CLOCK) && !script.contains(EXPIRY));
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(1).arg(key);
    command.arg(limit.rate()).arg(limit.period().as_micros() as u64).arg(limit.burst()).arg(cost).arg(debt);
    command.arg(at.unwrap_or_default() / 1_000_000).arg(at.unwrap_or_default() % 1_000_000);
    let (allowed, remaining, reset, retry, at): (u32, u32, u64, u64, u64) =
        command.query_async(connection).await.unwrap();
    let (reset, retry) = (Duration::from_micros(reset), Duration::from_micros(retry));
    Replied { verdict: Verdict { allowed: allowed == 1, remaining, reset, retry }, at }
}

/// As the script tells it: in microseconds, rounded up.
fn in_micros(verdict: Verdict) -> Verdict {
    let micros = |span: Duration| Duration::from_micros(span.as_nanos().div_ceil(1_000) as u64);
    Verdict { reset: micros(verdict.reset), retry: micros(verdict.retry), ..verdict }
}

fn moment(micros: u64) -> Time {
    Time::from_nanos(micros * 1_000)
}

/// A limit, and requests: how long after the one before it, at which cost, after which debt.
fn any_run() -> impl Strategy<Value = (Limit, Vec<(u64, u32, u32)>)> {
    let rate = prop_oneof![1..20_u32, 1..100_000_u32, Just(10_000_000)];
    let period = prop_oneof![1..5_000_u64, Just(86_400_000), Just(31_536_000_000)];
    let burst = prop_oneof![1..20_u32, Just(10_000_000)];
    (rate, period, burst)
        .prop_filter_map("a burst that takes too long", |(rate, period, burst)| {
            Limit::new(rate, Duration::from_millis(period), burst).ok()
        })
        .prop_flat_map(|limit| {
            let interval = (limit.period().as_micros() as u64 / u64::from(limit.rate())).max(1);
            let gap = prop_oneof![Just(0), 0..interval + 1, 0..interval.saturating_mul(20)];
            let debt = prop_oneof![9 => Just(0), 1 => 1..=limit.burst().min(30)];
            (Just(limit), prop::collection::vec((gap, 1..=limit.burst(), debt), 1..25))
        })
}

#[tokio::test]
async fn the_script_decides_as_the_core_does_to_the_microsecond() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let mut runner = TestRunner::default();
    for case in 0..150 {
        let (limit, run) = any_run().new_tree(&mut runner).unwrap().current();
        let key = format!("bucket:{case}");
        let (mut bucket, mut now) = (Bucket::default(), 1_790_000_000_000_000);
        for (step, (gap, cost, debt)) in run.iter().copied().enumerate() {
            now += gap;
            bucket.charge(&limit, debt, moment(now));
            let ours = in_micros(bucket.request(&limit, cost, moment(now)));
            let theirs = ask(&mut connection, &key, Asked { limit, cost, debt }, Some(now)).await;
            assert_eq!(theirs, Replied { verdict: ours, at: now }, "{limit:?} {run:?} at {step}");
        }
    }
}

/// FAULTS 43 and 44: what a clock that jumps costs, which is bounded either way.
#[tokio::test]
async fn a_clock_that_is_set_back_costs_an_interval_and_not_the_jump() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let limit = Limit::new(10, Duration::from_secs(1), 5).unwrap();
    let asked = |cost| Asked { limit, cost, debt: 0 };
    let (noon, hour) = (1_790_000_000_000_000, 3_600_000_000);
    assert!(ask(&mut connection, "k", asked(5), Some(noon)).await.verdict.allowed);
    let back = noon - hour;
    let refused = ask(&mut connection, "k", asked(1), Some(back)).await.verdict;
    assert_eq!((refused.allowed, refused.retry), (false, Duration::from_millis(100)));
    assert!(ask(&mut connection, "k", asked(1), Some(back + 100_000)).await.verdict.allowed);
    assert!(!ask(&mut connection, "k", asked(1), Some(back + 100_000)).await.verdict.allowed);
    // A minute ahead: what had been used counts no more, and no more than one burst passes.
    let ahead = back + 60_000_000;
    assert!(ask(&mut connection, "k", asked(5), Some(ahead)).await.verdict.allowed);
    assert!(!ask(&mut connection, "k", asked(1), Some(ahead)).await.verdict.allowed);
}

#[tokio::test]
async fn a_key_that_holds_something_else_is_an_error_and_stays_as_it_is() {
    let redis = Redis::start().await;
    redis.command(&["SET", "text", "hello"]).await;
    redis.command(&["LPUSH", "list", "hello"]).await;
    for (key, error) in [("text", "something other than the bucket"), ("list", "Operation against a key")] {
        let told = redis.try_command(&["EVAL", SCRIPT, "1", key, "1", "1000000", "1", "1", "0"]).await.unwrap_err();
        assert!(told.to_string().contains(error), "{told}");
    }
    assert_eq!(redis.get("text").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_bucket_goes_when_it_is_empty_again() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let limit = Limit::new(3, Duration::from_secs(1000), 2).unwrap();
    let verdict = ask(&mut connection, "k", Asked { limit, cost: 1, debt: 0 }, None).await.verdict;
    let left: u64 = redis::cmd("PTTL").arg("k").query_async(&mut connection).await.unwrap();
    let reset = verdict.reset.as_millis() as u64;
    assert_eq!(reset, 333_333);
    assert!(left <= reset + 1 && left > reset / 2, "{left}");
}

/// Forty clients on one key, on the server's own clock: fed with the times that the server took, in the order of
/// execution, the core decides every single request alike.
#[tokio::test]
async fn many_clients_at_once_are_decided_as_the_core_decides() {
    let redis = Redis::start().await;
    let limit = Limit::new(300, Duration::from_millis(100), 20).unwrap();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..40_u32 {
        let mut connection = redis.connection().await;
        clients.spawn(async move {
            let mut replies = Vec::new();
            for turn in 0..100 {
                let cost = 1 + (client + turn) % 3;
                replies.push((cost, ask(&mut connection, "k", Asked { limit, cost, debt: 0 }, None).await));
            }
            replies
        });
    }
    let mut replies: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    // Two in one microsecond cannot be told apart by time: what was left of the bucket after them tells.
    replies.sort_by_key(|(_, replied)| (replied.at, replied.verdict.reset));
    let mut bucket = Bucket::default();
    for (index, (cost, replied)) in replies.iter().enumerate() {
        let ours = in_micros(bucket.request(&limit, *cost, moment(replied.at)));
        assert_eq!(replied.verdict, ours, "request {index} of {}", replies.len());
    }
    let allowed = replies.iter().filter(|(_, replied)| replied.verdict.allowed).count();
    assert!(allowed > 100 && allowed < 4_000, "{allowed} of 4000: the limit has neither stopped all nor none");
}
