//! The library before a real cluster: keys of all shards, one at a time, in pipelines and in transactions.

use std::convert::Infallible;

use failsoft::client::{Failsoft, Raw, Route, Tier};
use failsoft_testkit::cluster::Cluster;
use failsoft_testkit::wait::eventually_some;
use redis::AsyncCommands;
use redis::Value;

use crate::common::PATIENCE;

async fn before(cluster: &Cluster) -> Failsoft {
    let pages = Route::cache("page:{id}").max_rate(1e6);
    let failsoft = Failsoft::builder().cluster(cluster.urls()).deadline(PATIENCE).route(pages).build().unwrap();
    // A value of a cache would be kept here meanwhile.
    let is_there = || async { failsoft.redis_connection().set::<_, _, ()>("ready", "yes").await.ok() };
    eventually_some("the cluster to be known", PATIENCE, is_there).await;
    failsoft
}

#[tokio::test]
async fn keys_of_all_shards_are_set_made_and_invalidated() {
    let cluster = Cluster::start().await;
    let failsoft = before(&cluster).await;
    let cache = failsoft.cache::<String>("page").unwrap().with_codec(Raw);
    let keys: Vec<String> = (0..50).map(|index| format!("page:{index}")).collect();
    for key in &keys[..25] {
        cache.set(key, key).await.unwrap();
    }
    for (index, key) in keys.iter().enumerate() {
        let made = key.clone();
        let answer = cache.get_or_load(key, async move || Ok::<_, Infallible>(Some(made))).await.unwrap();
        let tier = if index < 25 { Tier::Primary } else { Tier::Origin };
        assert_eq!((answer.value.as_ref(), answer.tier), (Some(key), tier));
    }
    cache.invalidate_many(&keys[..25]).await.unwrap();
    for key in &keys[..25] {
        assert_eq!(cache.get(key).await.unwrap().value, None);
    }
}

#[tokio::test]
async fn pipelines_go_to_all_shards_and_transactions_to_one() {
    let cluster = Cluster::start().await;
    let failsoft = before(&cluster).await;
    let mut con = failsoft.redis_connection();
    let mut pipe = redis::pipe();
    for index in 0..100 {
        pipe.set(format!("k{index}"), index).ignore().get(format!("k{index}"));
    }
    let read: Vec<i32> = pipe.query_async(&mut con).await.unwrap();
    assert_eq!(read, (0..100).collect::<Vec<_>>());
    for shard in ["a", "b", "c", "d", "e"] {
        let (count, list) = (format!("{{{shard}}}:count"), format!("{{{shard}}}:list"));
        let done: (i32, i32) =
            redis::pipe().atomic().incr(&count, 1).rpush(&list, "x").query_async(&mut con).await.unwrap();
        assert_eq!(done, (1, 1));
    }
    let mixed =
        redis::pipe().atomic().set("{a}:1", 1).set("{b}:1", 1).query_async::<Value>(&mut con).await.unwrap_err();
    assert!(matches!(mixed.code(), Some("MOVED" | "CROSSSLOT" | "EXECABORT")), "{mixed:?}");
    assert_eq!(con.get::<_, Option<i32>>("{a}:1").await.unwrap(), None, "nothing of it was done");
}
