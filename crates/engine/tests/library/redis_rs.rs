//! The library as a connection of redis-rs: what redis-rs' own examples and guides do, and what an outage makes of it.

use std::collections::{BTreeSet, HashMap};

use failsoft::client::{Failsoft, Route};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually_some;
use redis::aio::ConnectionLike;
use redis::{AsyncCommands, ErrorKind, RedisResult, Script, Value};

use crate::common::{PATIENCE, before, hasty};

fn plain(redis: &Redis) -> Failsoft {
    before(redis).build().unwrap()
}

#[tokio::test]
async fn typed_commands_do_what_they_do_on_a_connection() -> RedisResult<()> {
    let redis = Redis::start().await;
    let mut con = plain(&redis).redis_connection();
    let () = con.set("my_key", 42).await?;
    assert_eq!(con.get::<_, i32>("my_key").await?, 42);
    assert_eq!(con.get::<_, Option<String>>("nothing").await?, None);
    assert_eq!(con.incr::<_, _, i64>("my_key", 8).await?, 50);
    let () = con.rpush("items", &["one", "two", "three"]).await?;
    assert_eq!(con.lrange::<_, Vec<String>>("items", 0, -1).await?, ["one", "two", "three"]);
    let () = con.hset_multiple("hash", &[("a", 1), ("b", 2)]).await?;
    assert_eq!(
        con.hgetall::<_, HashMap<String, i32>>("hash").await?,
        HashMap::from([("a".into(), 1), ("b".into(), 2)])
    );
    let () = con.sadd("set", &[3, 1, 2]).await?;
    assert_eq!(con.smembers::<_, BTreeSet<i32>>("set").await?, BTreeSet::from([1, 2, 3]));
    assert_eq!(con.mget::<_, Vec<Option<i32>>>(&["my_key", "nothing"]).await?, [Some(50), None]);
    assert_eq!(con.del::<_, usize>(&["my_key", "items"]).await?, 2);
    assert_eq!(con.get_db(), 0);
    Ok(())
}

#[tokio::test]
async fn errors_are_redis_own() {
    let redis = Redis::start().await;
    let mut con = plain(&redis).redis_connection();
    let () = con.set("text", "no number").await.unwrap();
    let error = con.incr::<_, _, i64>("text", 1).await.unwrap_err();
    assert_eq!((error.code(), error.detail()), (Some("ERR"), Some("value is not an integer or out of range")));
    let error = con.lpop::<_, Option<String>>("text", None).await.unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    let error = redis::cmd("SUBSCRIBE").arg("news").query_async::<Value>(&mut con).await.unwrap_err();
    assert!(error.to_string().contains("gives its connection a state"), "{error}");
}

#[tokio::test]
async fn a_pipeline_keeps_its_order_for_each_key() -> RedisResult<()> {
    let redis = Redis::start().await;
    let mut con = plain(&redis).redis_connection();
    let (k1, k2): (i32, i32) = redis::pipe()
        .set("key_1", 42)
        .ignore()
        .set("key_2", 43)
        .ignore()
        .get("key_1")
        .get("key_2")
        .query_async(&mut con)
        .await?;
    assert_eq!((k1, k2), (42, 43));
    let mut pipe = redis::pipe();
    for round in 0..300 {
        pipe.set(format!("k{}", round % 7), round).ignore().get(format!("k{}", round % 7));
    }
    let read: Vec<i32> = pipe.query_async(&mut con).await?;
    assert_eq!(read, (0..300).collect::<Vec<_>>());
    let error =
        redis::pipe().set("key_1", "x").incr("key_1", 1).query_async::<(String, i32)>(&mut con).await.unwrap_err();
    assert!(error.to_string().contains("not an integer"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_atomic_pipeline_is_a_transaction() -> RedisResult<()> {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(Route::cache("page:*").aside().max_stale(PATIENCE)).build().unwrap();
    let mut con = failsoft.redis_connection();
    let (old, new): (Option<i32>, i32) =
        redis::pipe().atomic().get("count").incr("count", 1).query_async(&mut con).await?;
    assert_eq!((old, new), (None, 1));
    let () = con.set("page:1", "old").await?;
    assert_eq!(con.get::<_, String>("page:1").await?, "old");
    let () = redis::pipe()
        .atomic()
        .set("page:1", "new")
        .ignore()
        .set("page:2", "new")
        .ignore()
        .query_async(&mut con)
        .await?;
    assert_eq!(con.get::<_, String>("page:1").await?, "new");
    let error = redis::pipe().atomic().set("count", "x").cmd("INCR").query_async::<Value>(&mut con).await.unwrap_err();
    assert!(error.to_string().contains("wrong number of arguments"), "{error}");
    assert_eq!(con.get::<_, i32>("count").await?, 1, "nothing of it was done");
    Ok(())
}

#[tokio::test]
async fn a_script_is_loaded_when_it_is_not_known() -> RedisResult<()> {
    let redis = Redis::start().await;
    let mut con = plain(&redis).redis_connection();
    let script = Script::new("return tonumber(ARGV[1]) + tonumber(ARGV[2]) + redis.call('INCR', KEYS[1])");
    for turn in 1..=2 {
        assert_eq!(script.key("turns").arg(1).arg(2).invoke_async::<i32>(&mut con).await?, 3 + turn);
    }
    Ok(())
}

#[tokio::test]
async fn all_keys_are_found_by_scanning() -> RedisResult<()> {
    let redis = Redis::start().await;
    let mut con = plain(&redis).redis_connection();
    let names: BTreeSet<String> = (0..100).map(|index| format!("async-key{index}")).collect();
    for name in &names {
        let () = con.set(name, "foo").await?;
    }
    let mut found = BTreeSet::new();
    let mut keys = con.scan_match::<_, String>("async-key*").await?;
    while let Some(key) = keys.next_item().await {
        found.insert(key?);
    }
    assert_eq!(found, names);
    Ok(())
}

#[tokio::test]
async fn clones_are_used_at_once() -> RedisResult<()> {
    let redis = Redis::start().await;
    let con = plain(&redis).redis_connection();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..100 {
        let mut con = con.clone();
        tasks.spawn(async move {
            let (key, value) = (format!("key{index}"), format!("value{index}"));
            let () = redis::cmd("SET").arg(&key).arg(&value).query_async(&mut con).await?;
            RedisResult::Ok((value, con.get::<_, String>(&key).await?))
        });
    }
    while let Some(task) = tasks.join_next().await {
        let (wanted, found) = task.unwrap()?;
        assert_eq!(wanted, found);
    }
    Ok(())
}

#[tokio::test]
async fn an_outage_is_what_the_route_makes_of_it() {
    let redis = Redis::start().await;
    let pages = Route::cache("page:*").aside().max_stale(PATIENCE);
    let failsoft = hasty(&redis).route(pages).route(Route::session("session:*")).build().unwrap();
    let mut con = failsoft.redis_connection();
    let () = con.set("page:1", "one").await.unwrap();
    assert_eq!(con.get::<_, String>("page:1").await.unwrap(), "one");
    redis.kill().await;
    let kept = eventually_some("the copy to be served", PATIENCE, || {
        let mut con = con.clone();
        async move { con.get::<_, String>("page:1").await.ok() }
    })
    .await;
    assert_eq!(kept, "one");
    let error = con.get::<_, String>("session:1").await.unwrap_err();
    assert_eq!(error.code(), Some("UNAVAILABLE"));
    assert!(error.detail().is_some_and(|detail| detail.contains("retry-after-ms=")), "{error:?}");
    let atomic = redis::pipe().atomic().set("page:1", "two").query_async::<Value>(&mut con).await.unwrap_err();
    assert_eq!(atomic.code(), Some("UNAVAILABLE"));
    failsoft.shutdown(PATIENCE).await.unwrap();
    assert_eq!(con.get::<_, String>("page:1").await.unwrap_err().kind(), ErrorKind::Client);
}
