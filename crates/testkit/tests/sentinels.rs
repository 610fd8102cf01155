//! Sentinels at work: failovers by loss and by order, passwords, and a sentinel in the minority.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::redis::connect;
use failsoft_testkit::sentinel::Sentinels;
use failsoft_testkit::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_killed_primary_is_replaced_and_is_a_replica_when_it_returns() {
    let group = Sentinels::start().await;
    let killed = group.primary().await;
    assert_eq!(killed.addr(), group.servers()[0].addr());
    assert_eq!(group.replicas().await.len(), 2);
    killed.command(&["SET", "key", "value"]).await;
    let replicas = group.replicas().await;
    eventually("the replicas have the write", Duration::from_secs(20), async || {
        let mut all = true;
        for replica in &replicas {
            all &= replica.redis().get("key").await.is_some();
        }
        all
    })
    .await;

    killed.kill().await;
    let promoted = group.wait_promoted(killed).await;
    assert_eq!(promoted.redis().get("key").await.unwrap(), "value");
    group.wait_ok().await;

    killed.restart().await;
    group.wait_ok().await;
    assert!(killed.is_fed().await);
}

#[tokio::test]
async fn a_stopped_primary_is_replaced_while_one_sentinel_is_dead() {
    let group = Sentinels::builder().replicas(1).start().await;
    let [first, second, dead] = group.sentinels() else { panic!("three sentinels") };
    dead.kill().await;
    let stopped = group.primary().await;
    stopped.pause();
    let promoted = group.wait_promoted(stopped).await;
    for sentinel in [first, second] {
        assert_eq!(group.word_of(sentinel).await, Some(promoted.addr()));
    }
    assert_eq!(group.word_of(dead).await, None);
    stopped.resume();
    dead.restart().await;
    group.wait_ok().await;
    assert!(stopped.is_fed().await);
}

#[tokio::test]
async fn passwords_of_all_kinds_and_a_failover_by_order() {
    let builder = Sentinels::builder().replicas(1).password("secret").sentinel_password("watch");
    let group = builder.user("sentinel", "third").start().await;
    let sentinel = &group.sentinels()[0];
    let mut stranger = connect(&format!("redis://{}", sentinel.addr())).await.unwrap();
    let refused = redis::cmd("SENTINEL").arg("MASTERS").query_async::<()>(&mut stranger).await.unwrap_err();
    assert_eq!(refused.code(), Some("NOAUTH"));
    let mut known = connect(&sentinel.url()).await.unwrap();
    redis::cmd("SENTINEL").arg("MASTERS").query_async::<redis::Value>(&mut known).await.unwrap();

    let before = group.primary().await;
    group.failover().await;
    let after = group.wait_promoted(before).await;
    after.command(&["SET", "key", "value"]).await;
    group.wait_ok().await;
    assert!(before.is_fed().await);
}

#[tokio::test]
async fn a_sentinel_alone_with_the_old_primary_keeps_believing_in_it() {
    let group = Sentinels::builder().replicas(1).partitionable().start().await;
    let old = group.primary().await;
    let alone = &group.sentinels()[0];
    group.partition(&[alone, old], &group.all_but(&[alone, old]));

    let promoted = group.wait_promoted(old).await;
    assert_eq!(group.word_of(alone).await, Some(old.addr()));
    assert!(old.says_primary().await && promoted.says_primary().await);
    eventually("the sentinel to know that it is alone", PATIENCE, || async {
        let quorum = alone.try_command(&["SENTINEL", "CKQUORUM", "mymaster"]).await;
        quorum.is_err_and(|error| error.code() == Some("NOQUORUM"))
    })
    .await;

    group.heal();
    group.wait_ok().await;
    assert_eq!(group.word_of(alone).await, Some(promoted.addr()));
    assert!(old.is_fed().await);
}
