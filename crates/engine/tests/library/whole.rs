//! The library as a whole: how it is built, how it says how it is, and that nothing is left of it when it has ended.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use failsoft::client::{
    BoxError, BuildError, Error, Failsoft, Mode, Origin, Params, Pressure, Raw, Route, Status, Tier, Unfinished,
};
use failsoft::settings;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::{eventually, eventually_some};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::common::{PATIENCE, User, before, hasty, user};

#[tokio::test]
async fn a_session_is_what_redis_says_or_an_error_that_says_try_again() {
    let redis = Redis::start().await;
    let failsoft = hasty(&redis).route(Route::session("session:*")).build().unwrap();
    let sessions = failsoft.sessions::<User>("session").unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(sessions.get("session:1").await.unwrap(), None);
    sessions.set("session:1", &user("ada"), hour).await.unwrap();
    assert_eq!(sessions.get("session:1").await.unwrap(), Some(user("ada")));
    assert!(sessions.touch("session:1", 2 * hour).await.unwrap() && !sessions.touch("session:2", hour).await.unwrap());
    assert!(sessions.delete("session:1").await.unwrap() && !sessions.delete("session:1").await.unwrap());
    sessions.set("session:1", &user("ada"), hour).await.unwrap();
    assert_eq!(failsoft.health().status, Status::Ready);
    redis.kill().await;
    eventually("the health to be told", PATIENCE, || async { failsoft.health().status == Status::Unready }).await;
    assert!(failsoft.health().reasons.iter().any(|reason| reason.problem.starts_with("circuit")));
    for _ in 0..50 {
        let error = sessions.get("session:1").await.unwrap_err();
        assert!(
            matches!(error, Error::Unavailable(_)) && error.is_retryable() && error.retry_after().is_some(),
            "{error}"
        );
        assert!(sessions.set("session:1", &user("eve"), hour).await.unwrap_err().is_retryable());
    }
}

#[test]
fn without_a_runtime_there_is_nothing_to_live_on() {
    assert!(matches!(Failsoft::builder().build(), Err(BuildError::NoRuntime)));
}

#[tokio::test]
async fn what_is_said_in_code_is_judged_as_a_settings_file_is() {
    let build =
        |route: Route<failsoft::client::role::Cache>| Failsoft::builder().route(route).build().map(drop).unwrap_err();
    let why = build(Route::cache("user:{id")).to_string();
    assert_eq!(why, "error: routes[0].keys: a `{` is not closed (a literal brace is written twice: `{{`)");
    let why = build(Route::cache("a").setting("tll", "1s")).to_string();
    assert!(why.contains("unknown key `tll` in [[routes]]; did you mean `ttl`?"), "{why}");
    let why = build(Route::cache("a").origin("nowhere")).to_string();
    assert!(why.contains("there is no origin \"nowhere\""), "{why}");
    let lock = Route::lock("lock:*").setting("default", "free");
    let why = Failsoft::builder().route(lock).build().map(drop).unwrap_err().to_string();
    assert!(why.contains("a route with role \"lock\" may not have `default`"), "{why}");
}

#[tokio::test]
async fn everything_is_said_in_one_place() {
    let file = "[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n";
    let both = Failsoft::builder().settings_text(file).route(Route::session("session:*")).build();
    assert!(matches!(both, Err(BuildError::TwoPlaces("route"))));
    struct Nothing;
    impl Origin for Nothing {
        async fn load(&self, _key: &[u8], _params: Params<'_>) -> Result<Option<Bytes>, BoxError> {
            Ok(None)
        }
    }
    let misspelt = Failsoft::builder().settings_text(file).known_origin("user", Nothing).build();
    assert!(matches!(misspelt, Err(BuildError::UnknownOrigin(name)) if name == "user"));
    let unused = Failsoft::builder().origin("users", Nothing, Pressure::new()).build();
    assert!(unused.is_ok());
}

#[tokio::test]
async fn what_was_said_in_code_can_be_kept_as_a_file() {
    let builder = Failsoft::builder()
        .cluster(["redis://127.0.0.1:1", "redis://127.0.0.1:2"])
        .route(
            Route::cache("user:{id}")
                .ttl(Duration::from_millis(1500))
                .max_rate(500.0)
                .max_concurrency(5)
                .default_value("{}"),
        )
        .route(Route::flag("flag:*").default_value("off"));
    let loaded = settings::parse(&builder.to_toml(), "made.toml").unwrap();
    assert_eq!(loaded.settings.routes()[0].ttl(), Duration::from_millis(1500));
    assert_eq!(loaded.settings.origins()[0].max_rate(), Some(500.0));
    assert_eq!(loaded.settings.routes()[1].name().as_ref(), "flag");
}

#[tokio::test]
async fn settings_are_taken_up_while_it_runs() {
    let redis = Redis::start().await;
    let text = |max_stale: &str| {
        format!(
            "[redis]\nnodes = [\"{}\"]\n[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nmax_stale = \"{max_stale}\"\n",
            redis.url()
        )
    };
    let failsoft = Failsoft::builder().settings_text(&text("1m")).build().unwrap();
    let pages = failsoft.cache::<String>("page").unwrap().with_codec(Raw);
    pages.set("page:1", &"one".to_owned()).await.unwrap();
    let changes = failsoft.reload(settings::parse(&text("2m"), "").unwrap().settings).unwrap();
    assert_eq!(changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["routes[0].max_stale"]);
    assert_eq!(pages.get("page:1").await.unwrap().value.as_deref(), Some("one"));
    let gone = format!("[redis]\nnodes = [\"{}\"]\n", redis.url());
    failsoft.reload(settings::parse(&gone, "").unwrap().settings).unwrap();
    assert!(matches!(pages.get("page:1").await, Err(Error::Misuse(_))));
    assert!(failsoft.metrics().contains("failsoft_settings_generation 2"));
}

#[tokio::test]
async fn a_route_can_be_switched_to_be_answered_without_redis() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(Route::cache("user:{id}")).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    cache.set("user:1", &user("in Redis")).await.unwrap();
    assert_eq!(failsoft.switch_mode(Mode::OriginOnly, Some("user")).unwrap().changed, 1);
    let made = || async { Ok::<_, Infallible>(Some(user("made"))) };
    let answer = cache.get_or_load("user:1", made).await.unwrap();
    assert_eq!((answer.value, answer.tier), (Some(user("made")), Tier::Origin));
    failsoft.switch_mode(Mode::Auto, None).unwrap();
    assert_eq!(cache.get("user:1").await.unwrap().value, Some(user("in Redis")));
    assert!(
        failsoft.switch_mode(Mode::OriginOnly, Some("usr")).unwrap_err().to_string().contains("did you mean 'user'?")
    );
}

#[tokio::test]
async fn after_a_shutdown_nothing_is_left_of_it() {
    let redis = Redis::start().await;
    let clients = || async { redis.command(&["CLIENT", "LIST"]).await };
    let connections = |list: redis::Value| redis::from_redis_value::<String>(list).unwrap().lines().count();
    let (tasks, before_it) = (Handle::current().metrics().num_alive_tasks(), connections(clients().await));
    let failsoft = before(&redis)
        .route(Route::cache("user:{id}"))
        .setting("local.mode", "front")
        .route(Route::cache("page:*").aside().max_stale(PATIENCE))
        .build()
        .unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    cache.get_or_load("user:1", || async { Ok::<_, Infallible>(Some(user("ada"))) }).await.unwrap();
    assert!(connections(clients().await) > before_it && Handle::current().metrics().num_alive_tasks() > tasks);
    let (open, mut gate) = watch::channel(false);
    let under_way = tokio::spawn({
        let cache = cache.clone();
        let load = async move || {
            gate.wait_for(|open| *open).await?;
            Ok::<_, watch::error::RecvError>(Some(user("eve")))
        };
        async move { cache.get_or_load("user:2", load).await }
    });
    let loading = || failsoft.state().origins.iter().map(|origin| origin.in_flight).sum::<u32>();
    eventually("the load to begin", PATIENCE, || async { loading() == 1 }).await;
    let ending = tokio::spawn({
        let failsoft = failsoft.clone();
        async move { failsoft.shutdown(PATIENCE).await }
    });
    eventually("new calls to be refused", PATIENCE, || async {
        matches!(cache.get("user:1").await, Err(Error::ShutDown))
    })
    .await;
    assert_eq!(failsoft.health().status, Status::Unready);
    open.send_replace(true);
    assert_eq!(under_way.await.unwrap().unwrap().value, Some(user("eve")), "who was there is answered");
    assert_eq!(ending.await.unwrap(), Ok(()));
    eventually("Redis to be left", PATIENCE, || async { connections(clients().await) == before_it }).await;
    eventually("the tasks to end", PATIENCE, || async { Handle::current().metrics().num_alive_tasks() == tasks }).await;
    assert!(redis.get("user:2").await.is_some(), "what was on its way to Redis has come there");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_beyond_its_time_and_says_what_it_broke_off() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(Route::cache("user:{id}").load_timeout(PATIENCE)).build().unwrap();
    let cache = failsoft.cache::<User>("user").unwrap();
    let stuck = tokio::spawn(async move {
        cache.get_or_load("user:1", std::future::pending::<Result<Option<User>, Infallible>>).await
    });
    let loading = || failsoft.state().origins.iter().map(|origin| origin.in_flight).sum::<u32>();
    eventually("the load to begin", PATIENCE, || async { loading() == 1 }).await;
    let begun = Instant::now();
    let left = failsoft.shutdown(Duration::from_millis(50)).await;
    assert_eq!(left, Err(Unfinished { calls: 1, loads: 1, ..Unfinished::default() }));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    stuck.abort();
    drop(failsoft);
}

#[tokio::test]
async fn it_ends_by_itself_when_nobody_holds_it() {
    let redis = Redis::start().await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let failsoft = before(&redis).route(Route::session("session:*")).build().unwrap();
    let sessions = failsoft.sessions::<User>("session").unwrap();
    drop(failsoft);
    sessions.get("session:1").await.unwrap();
    drop(sessions);
    let alive = || async { (Handle::current().metrics().num_alive_tasks() == tasks).then_some(()) };
    eventually_some("the tasks to end", PATIENCE, alive).await;
}
