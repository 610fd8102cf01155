//! Commands asked in this process, of a real Redis: answered as a client of the sidecar would be, with what is known of
//! the answer, and with the same consequences for copies.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use failsoft::caller::{Answered, Caller};
use failsoft::node::Lane;
use failsoft::{Engine, settings};
use failsoft_core::Tier;
use failsoft_core::outcome::{Failure, MissCause, Outcome};
use failsoft_resp::Protocol;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::{eventually, eventually_some};

const LONG: Duration = Duration::from_secs(20);

struct Stage {
    redis: Redis,
    origin: HttpOrigin,
    engine: Arc<Engine>,
    caller: Caller,
}

impl Stage {
    async fn start() -> Self {
        let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
        let text = format!(
            "[redis]\nnodes = ['{}']\nconnect_timeout = '10s'\ntimeout = '10s'\nprobe_interval = '100ms'\n\
             [request]\ndeadline = '10s'\n\
             [breaker]\nfailures = 1\nprobe_cooldown = '50ms'\nramp = '50ms'\n\
             [local]\nttl = '10ms'\n\
             [origins.users]\nurl = '{}'\ntimeout = '10s'\nmax_wait = '10s'\n\
             [[routes]]\nkeys = 'user:{{id}}'\nrole = 'cache'\norigin = 'users'\nget = '/users/{{id}}'\n\
             [[routes]]\nkeys = 'page:*'\nrole = 'cache'\nmax_stale = '1h'\nlease = '0s'\n\
             [[routes]]\nkeys = 'session:*'\nrole = 'session'\n",
            redis.url(),
            origin.url(),
        );
        let engine = Arc::new(Engine::new(settings::parse(&text, "").unwrap().settings, 1).unwrap());
        engine.start_probes();
        engine.start_worker(0);
        let caller = Caller::new(engine.clone(), 0, Lane(1));
        eventually("Redis to be connected", LONG, || async {
            text_of(&caller.call(&["DBSIZE"]).await).starts_with(':')
        })
        .await;
        Self { redis, origin, engine, caller }
    }

    async fn ask(&self, line: &str) -> Answered {
        self.caller.call(&line.split(' ').collect::<Vec<_>>()).await
    }

    async fn text(&self, line: &str) -> String {
        text_of(&self.ask(line).await)
    }

    async fn lose_redis(&self) {
        self.redis.kill().await;
        eventually("the circuit to be open", LONG, || async {
            self.engine.world().0.views().redis.nodes().iter().any(|node| node.health().is_open())
        })
        .await;
    }
}

fn text_of(answered: &Answered) -> String {
    String::from_utf8(answered.reply.clone()).unwrap()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn what_redis_answers_is_passed_on_as_it_is() {
    let stage = Stage::start().await;
    assert_eq!(stage.text("SET plain:1 a").await, "+OK\r\n");
    assert_eq!(stage.text("GET plain:1").await, bulk("a"));
    assert_eq!(stage.text("LPUSH plain:1 x").await.split(' ').next(), Some("-WRONGTYPE"));
    assert_eq!(stage.text("NOSUCH plain:1").await.split(',').next(), Some("-ERR unknown command 'NOSUCH'"));
    assert_eq!(stage.text("GET").await, "-ERR wrong number of arguments for 'get' command\r\n");
    assert_eq!(stage.text("HSET h f v").await, ":1\r\n");
    assert_eq!(stage.text("EVAL return{KEYS[1]} 1 h").await, "*1\r\n$1\r\nh\r\n");
    let resp3 = stage.caller.clone().speaking(Protocol::Resp3);
    eventually("the connection that speaks RESP3", LONG, || async {
        text_of(&resp3.call(&["HGETALL", "h"]).await) == "%1\r\n$1\r\nf\r\n$1\r\nv\r\n"
    })
    .await;
    let answered = stage.ask("GET plain:1").await;
    assert_eq!((answered.facts.tier(), answered.facts.passed_over().next()), (Some(Tier::Primary), None));
}

#[tokio::test]
async fn what_needs_a_connection_of_its_own_is_refused_with_a_sentence() {
    let stage = Stage::start().await;
    for line in ["MULTI", "SUBSCRIBE a", "BLPOP a 0", "SELECT 3", "MONITOR", "CLIENT TRACKING ON", "WATCH a", "AUTH x"]
    {
        let told = stage.ask(line).await;
        assert!(text_of(&told).starts_with("-ERR "), "{line}: {told:?}");
        assert!(text_of(&told).ends_with("and a call in process has none\r\n"), "{line}: {told:?}");
        assert_eq!(told.facts.tier(), None);
    }
    let caller = stage.caller.clone();
    let anywhere = tokio::spawn(async move { caller.call(&["PING"]).await });
    assert_eq!(text_of(&anywhere.await.unwrap()), "+PONG\r\n");
    assert_eq!(stage.text("ECHO hi").await, bulk("hi"));
    assert_eq!(text_of(&stage.caller.call::<&str>(&[]).await), "-ERR a command has a name\r\n");
}

#[tokio::test]
async fn a_miss_is_loaded_and_a_write_makes_the_copy_void() {
    let stage = Stage::start().await;
    let loaded = stage.ask("GET user:7").await;
    assert_eq!(text_of(&loaded), bulk(&HttpOrigin::body_of("users", 7)));
    assert_eq!(loaded.facts.tier(), Some(Tier::Origin));
    let absent = (Tier::Primary, Outcome::Miss(MissCause::Absent));
    assert_eq!(loaded.facts.passed_over().collect::<Vec<_>>(), [absent]);
    let world = stage.engine.world().0;
    assert!(world.local().entries() > 0);
    eventually("the value to be written back", LONG, || async { world.write_back().outstanding().0 == 0 }).await;

    assert_eq!(stage.text("SET user:7 mine").await, "+OK\r\n");
    assert_eq!(stage.engine.world().0.local().entries(), 0);
    assert_eq!(stage.text("GET user:7").await, bulk("mine"));
}

#[tokio::test]
async fn several_keys_are_gathered_and_the_worst_of_them_is_told() {
    let stage = Stage::start().await;
    stage.redis.command(&["SET", "user:1", "one"]).await;
    let answered = stage.ask("MGET user:1 user:2").await;
    assert_eq!(text_of(&answered), format!("*2\r\n{}{}", bulk("one"), bulk(&HttpOrigin::body_of("users", 2))));
    assert_eq!(answered.facts.tier(), Some(Tier::Origin));
    let answered = stage.ask("MGET user:1").await;
    assert_eq!((text_of(&answered), answered.facts.tier()), (format!("*1\r\n{}", bulk("one")), Some(Tier::Primary)));
    assert_eq!(stage.text("EXISTS user:1 user:3").await, ":2\r\n");
}

#[tokio::test]
async fn without_redis_each_role_is_answered_as_it_says() {
    let stage = Stage::start().await;
    assert_eq!(stage.text("SET page:1 old").await, "+OK\r\n");
    assert_eq!(stage.text("GET page:1").await, bulk("old"));
    stage.lose_redis().await;

    let stale = eventually_some("the copy to be stale", LONG, || async {
        Some(stage.ask("GET page:1").await).filter(|answered| answered.facts.is_stale)
    })
    .await;
    assert_eq!((text_of(&stale), stale.facts.tier()), (bulk("old"), Some(Tier::Local)));
    assert!(stale.facts.age > Duration::from_millis(10), "{stale:?}");
    let passed: Vec<_> = stale.facts.passed_over().collect();
    assert_eq!(passed, [(Tier::Primary, Outcome::Failed(Failure::CircuitOpen))]);

    assert_eq!(stage.ask("GET user:9").await.facts.tier(), Some(Tier::Origin));
    let sorry = stage.ask("GET session:1").await;
    assert!(text_of(&sorry).starts_with("-UNAVAILABLE nothing was done"), "{sorry:?}");
    assert_eq!(sorry.facts.code().map(|code| code.word()), Some("UNAVAILABLE"));
    let both = stage.ask("MGET user:9 page:2").await;
    assert!(text_of(&both).starts_with("-UNAVAILABLE"), "{both:?}");
}

#[tokio::test]
async fn calls_that_are_dropped_leave_no_trace() {
    let stage = Stage::start().await;
    stage.origin.set_latency(Duration::from_millis(20));
    for id in 0..200 {
        let key = format!("user:{id}");
        let words = ["GET", &key];
        let call = stage.caller.call(&words);
        tokio::select! {
            biased;
            _ = call => {}
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(stage.caller.calls().0, 0);
    stage.origin.set_latency(Duration::ZERO);
    assert_eq!(stage.ask("GET user:1000").await.facts.tier(), Some(Tier::Origin));
    assert_eq!(stage.text("SET user:1 x").await, "+OK\r\n");
    assert_eq!(stage.text("GET user:1").await, bulk("x"));
}
