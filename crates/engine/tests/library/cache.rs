//! The library's cache before a real Redis: who makes a value, who is answered by whom, and what is served in an outage.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use failsoft::client::{BoxError, Error, Failsoft, Origin, Params, Pressure, Raw, Route, Tier};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::{eventually, eventually_some};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::common::{Count, PATIENCE, User, before, hasty, user};

const MINUTE: Duration = Duration::from_secs(60);

fn users() -> Route<failsoft::client::role::Cache> {
    Route::cache("user:{id}").ttl(MINUTE).max_stale(10 * MINUTE).load_timeout(PATIENCE)
}

async fn made(name: &'static str) -> Result<Option<User>, Infallible> {
    Ok(Some(user(name)))
}

#[tokio::test]
async fn a_missing_value_is_made_kept_and_written_back() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(users()).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    let answer = cache.get_or_load("user:1", || made("ada")).await.unwrap();
    assert_eq!((answer.value, answer.tier, answer.is_stale), (Some(user("ada")), Tier::Origin, false));
    eventually("the value to be in Redis", PATIENCE, || async { redis.get("user:1").await.is_some() }).await;
    assert_eq!(redis.get("user:1").await.as_deref(), Some(r#"{"name":"ada","logins":3}"#));
    let answer = cache.get_or_load("user:1", || made("nobody")).await.unwrap();
    assert_eq!((answer.value, answer.tier), (Some(user("ada")), Tier::Primary));
    assert_eq!(cache.get("user:1").await.unwrap().value, Some(user("ada")));
    assert_eq!(cache.get("user:2").await.unwrap().value, None, "who brings no load is told what Redis says");
}

#[tokio::test]
async fn however_many_ask_one_load_is_under_way() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(users()).build().unwrap();
    let (open, gate) = watch::channel(false);
    let loads = Count::default();
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let (cache, loads, mut gate) = (failsoft.cache::<User>("user").unwrap(), loads.clone(), gate.clone());
        callers.spawn(async move {
            let load = async move || {
                loads.up();
                gate.wait_for(|open| *open).await?;
                Ok::<_, watch::error::RecvError>(Some(user("ada")))
            };
            cache.get_or_load("user:1", load).await
        });
    }
    let coalesced = || coalesced(&failsoft);
    eventually("199 to share the load of one", PATIENCE, || async { coalesced() == 199 }).await;
    open.send_replace(true);
    while let Some(answer) = callers.join_next().await {
        assert_eq!(answer.unwrap().unwrap().value, Some(user("ada")));
    }
    assert_eq!(loads.get(), 1);
}

fn coalesced(failsoft: &Failsoft) -> u64 {
    failsoft.state().origins.iter().map(|origin| origin.coalesced).sum()
}

#[tokio::test]
async fn who_stops_waiting_does_not_stop_the_load_that_others_share() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(users()).build().unwrap();
    let (open, mut gate) = watch::channel(false);
    let cache = failsoft.cache::<User>("user").unwrap();
    let leader = tokio::spawn({
        let cache = cache.clone();
        async move {
            let load = async move || {
                gate.wait_for(|open| *open).await?;
                Ok::<_, watch::error::RecvError>(Some(user("ada")))
            };
            cache.get_or_load("user:1", load).await
        }
    });
    let loading = || failsoft.state().origins.iter().map(|origin| origin.in_flight).sum::<u32>();
    eventually("the load to begin", PATIENCE, || async { loading() == 1 }).await;
    let follower = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load("user:1", || made("another")).await }
    });
    eventually("the other to share it", PATIENCE, || async { coalesced(&failsoft) == 1 }).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    open.send_replace(true);
    assert_eq!(follower.await.unwrap().unwrap().value, Some(user("ada")));
}

#[tokio::test]
async fn a_load_that_fails_tells_its_caller_why_unless_something_older_may_be_served() {
    let redis = Redis::start().await;
    let failsoft =
        hasty(&redis).setting("local.ttl", "10ms").route(users().ttl(Duration::from_millis(10))).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    let fails = || async { Err::<Option<User>, _>(io::Error::other("the database is on fire")) };
    let error = cache.get_or_load("user:1", fails).await.unwrap_err();
    assert!(matches!(&error, Error::Load(why) if why.to_string() == "the database is on fire"), "{error:?}");
    assert!(error.is_retryable());
    cache.get_or_load("user:1", || made("ada")).await.unwrap();
    redis.kill().await;
    let stale = eventually_some("the copy to be served", PATIENCE, || async {
        cache.get_or_load("user:1", fails).await.ok().filter(|answer| answer.is_stale)
    })
    .await;
    assert_eq!((stale.value, stale.tier), (Some(user("ada")), Tier::Local));
    assert!(stale.age > Duration::from_millis(10), "{:?}", stale.age);
}

#[tokio::test]
async fn what_is_not_there_is_remembered_as_not_there() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(users().negative_ttl(MINUTE)).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    let loads = Count::default();
    for _ in 0..3 {
        let loads = loads.clone();
        let answer =
            cache.get_or_load("user:1", async move || Ok::<_, Infallible>((loads.up() > 9).then(|| user("x")))).await;
        assert_eq!(answer.unwrap().value, None);
    }
    assert_eq!(loads.get(), 1);
}

#[tokio::test]
async fn stored_bytes_that_are_no_such_value_are_made_anew() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(users()).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    redis.command(&["SET", "user:1", "{\"nom\":\"ada\"}"]).await;
    let error = cache.get("user:1").await.unwrap_err();
    assert!(matches!(error, Error::Codec(_)) && !error.to_string().contains("nom"), "{error}");
    let answer = cache.get_or_load("user:1", || made("ada")).await.unwrap();
    assert_eq!((answer.value, answer.tier), (Some(user("ada")), Tier::Origin));
    let is_new = || async { redis.get("user:1").await.is_some_and(|text| text.contains("\"name\"")) };
    eventually("the new form to be in Redis", PATIENCE, is_new).await;
}

#[tokio::test]
async fn what_is_set_is_read_and_what_is_invalidated_is_not() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(users()).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    cache.set("user:1", &user("ada")).await.unwrap();
    cache.set_for("user:2", &user("eve"), MINUTE * 2).await.unwrap();
    let ttl = async |key| redis::from_redis_value::<u64>(redis.command(&["PTTL", key]).await).unwrap();
    assert!((1..=60_000).contains(&ttl("user:1").await) && (60_001..=120_000).contains(&ttl("user:2").await));
    assert_eq!(cache.get("user:2").await.unwrap().value, Some(user("eve")));
    cache.invalidate_many(["user:1", "user:2", "user:3"]).await.unwrap();
    for key in ["user:1", "user:2"] {
        assert_eq!(cache.get(key).await.unwrap().value, None);
    }
    let raw = failsoft.cache::<String>("user:{id}").unwrap().with_codec(Raw);
    raw.set("user:3", &"plain".to_owned()).await.unwrap();
    assert_eq!(redis.get("user:3").await.as_deref(), Some("plain"));
    assert!(matches!(raw.set_for("user:3", &"x".to_owned(), Duration::ZERO).await, Err(Error::Misuse(_))));
}

#[tokio::test]
async fn a_key_of_another_route_is_refused_and_so_is_a_handle_of_another_role() {
    let failsoft = Failsoft::builder().route(users()).route(Route::session("session:*")).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    let why = cache.get("session:1").await.unwrap_err().to_string();
    assert_eq!(why, "the key is on route session, and this handle is of route user");
    let why = failsoft.sessions::<User>("user").unwrap_err().to_string();
    assert_eq!(why, "route user has role \"cache\"; this handle needs one with role \"session\"");
    let why = failsoft.cache::<User>("users").unwrap_err().to_string();
    assert_eq!(why, "there is no route `users`; with role \"cache\" there are: user");
}

/// Greets whoever is in the key, and counts how often it is asked.
struct Greetings(Count);

impl Origin for Greetings {
    async fn load(&self, key: &[u8], params: Params<'_>) -> Result<Option<Bytes>, BoxError> {
        self.0.up();
        assert!(key.starts_with(b"greeting:") && params.get("").is_none());
        Ok(params.text("name").filter(|name| *name != "nobody").map(|name| Bytes::from(format!("good day, {name}"))))
    }
}

#[tokio::test]
async fn an_origin_of_the_program_s_own_is_asked_behind_the_guard_also_while_redis_is_away() {
    let redis = Redis::start().await;
    let asked = Count::default();
    let failsoft = hasty(&redis)
        .origin("greetings", Greetings(asked.clone()), Pressure::new().max_rate(1000.0).max_concurrency(2))
        .route(Route::cache("greeting:{name}").origin("greetings"))
        .build()
        .unwrap();
    assert!(failsoft.warnings().is_empty(), "{:?}", failsoft.warnings());
    let cache = failsoft.cache::<String>("greeting").unwrap().with_codec(Raw);
    let answer = cache.get("greeting:ada").await.unwrap();
    assert_eq!((answer.value.as_deref(), answer.tier), (Some("good day, ada"), Tier::Origin));
    assert_eq!(cache.get("greeting:nobody").await.unwrap().value, None);
    redis.kill().await;
    let answer =
        eventually_some("an answer without Redis", PATIENCE, || async { cache.get("greeting:eve").await.ok() }).await;
    assert_eq!((answer.value.as_deref(), answer.tier), (Some("good day, eve"), Tier::Origin));
    assert_eq!(asked.get(), 3);
}
