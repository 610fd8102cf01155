//! The examples are run: the very code that a newcomer reads, before a real Redis.

#[path = "../../examples/cache.rs"]
mod cache;
#[path = "../../examples/origin.rs"]
mod origin;
#[cfg(feature = "redis")]
#[path = "../../examples/redis_rs.rs"]
mod redis_rs;
#[path = "../../examples/roles.rs"]
mod roles;

use failsoft_testkit::redis::Redis;

#[tokio::test]
async fn the_cache_example_runs() {
    let redis = Redis::start().await;
    cache::run(&redis.url()).await.unwrap();
    assert_eq!(redis.get("user:42").await, None, "it has invalidated what it made");
}

#[tokio::test]
async fn the_origin_example_runs() {
    let redis = Redis::start().await;
    origin::run(&redis.url()).await.unwrap();
    assert_eq!(redis.get("price:tea").await.as_deref(), Some("3.20"));
}

#[tokio::test]
async fn the_roles_example_runs() {
    let redis = Redis::start().await;
    roles::run(&redis.url()).await.unwrap();
    assert_eq!(redis.get("session:abc").await.as_deref(), Some(r#"{"user":42}"#));
    assert_eq!(redis.get("lock:report").await, None);
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn the_redis_rs_example_runs() {
    let redis = Redis::start().await;
    redis_rs::run(&redis.url()).await.unwrap();
    assert_eq!(redis.get("visits:start").await.as_deref(), Some("2"));
    assert_eq!(redis.get("page:start").await.as_deref(), Some("<html>"));
}
