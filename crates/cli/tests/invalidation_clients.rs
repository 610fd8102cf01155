//! Subscribers of client libraries, unmodified, on an invalidation route whose Redis is killed and started anew: none of them
//! has to connect again, and all are told of the gap.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PATIENCE, Stage};
use failsoft_testkit::Output;
use failsoft_testkit::scripts::{node, python};
use failsoft_testkit::wait::eventually;

async fn stage() -> Stage {
    // Scripts that start up take the processor for themselves; nothing is to count as slow because of that.
    Stage::with(|settings| settings.route("keys = 'news:*'\nrole = 'invalidation'").set("redis.timeout", "'2s'")).await
}

/// What the script is to hear: a message, then that it may have missed some, then another. Returns how the script ended.
async fn play(stage: &Stage, script: impl Future<Output = Output>, patterns: u64) -> Output {
    let events = async {
        await_subscriber(stage, patterns).await;
        let accepted = stage.count("failsoft_clients_accepted_total", &[]).await;
        stage.redis.command(&["PUBLISH", "news:a", "one"]).await;
        stage.redis.kill().await;
        stage.await_count("failsoft_subscriptions_lost_total", &[], 1).await;
        stage.redis.restart().await;
        await_subscriber(stage, patterns).await;
        stage.redis.command(&["PUBLISH", "news:a", "two"]).await;
        assert_eq!(stage.count("failsoft_clients_accepted_total", &[]).await, accepted);
    };
    let (output, ()) = tokio::join!(script, events);
    output
}

async fn await_subscriber(stage: &Stage, patterns: u64) {
    eventually("somebody to listen", PATIENCE, || async {
        let (_, named): (String, u64) =
            redis::from_redis_value(stage.redis.command(&["PUBSUB", "NUMSUB", "news:a"]).await).unwrap();
        let by_pattern: u64 = redis::from_redis_value(stage.redis.command(&["PUBSUB", "NUMPAT"]).await).unwrap();
        (named, by_pattern) == (1, patterns)
    })
    .await;
}

fn assert_fine(output: &Output) {
    assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
}

#[tokio::test]
async fn redis_py_is_told_of_the_gap_and_keeps_its_connection() {
    for protocol in ["2", "3"] {
        let stage = stage().await;
        let port = stage.sidecar.addr().port().to_string();
        let args = [port.as_str(), protocol];
        let script = python(include_str!("clients/redis_py_news.py"), &args);
        assert_fine(&play(&stage, script, 1).await);
    }
}

#[tokio::test]
async fn ioredis_is_told_of_the_gap_and_keeps_its_connection() {
    let stage = stage().await;
    let port = stage.sidecar.addr().port().to_string();
    assert_fine(&play(&stage, node(include_str!("clients/ioredis_news.js"), &[&port]), 0).await);
}

#[tokio::test]
async fn node_redis_is_told_of_the_gap_and_keeps_its_connection() {
    let stage = stage().await;
    let port = stage.sidecar.addr().port().to_string();
    assert_fine(&play(&stage, node(include_str!("clients/node_redis_news.js"), &[&port]), 0).await);
}
