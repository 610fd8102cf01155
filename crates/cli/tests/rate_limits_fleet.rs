//! Ten instances of failsoft, each a process of its own, and one limit: how many they let through together while Redis
//! is away, what is given away when it goes and when it comes back, and how they find out how many they are.
#![allow(clippy::unwrap_used)]

mod tools;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;
use tools::{PATIENCE, ask_all, command, settings, shown, start};

const INSTANCES: u32 = 10;
const ROUTE: &str = r#"
redis.timeout = "200ms"
breaker.failures = 2
breaker.cooldown = "1s"

[[routes]]
keys = "limit:*"
role = "rate-limit"
on_outage = "local"
"#;
/// 20 in ten minutes: what a minute of testing earns is two.
const LIMIT: Limit = Limit { burst: 20, interval: Duration::from_secs(30) };
const ARGUMENTS: &str = "20 600000";

struct Limit {
    burst: u32,
    interval: Duration,
}

/// One request under a limit: between which moments it was decided, and what was said.
#[derive(Clone, Debug)]
struct Asked {
    sent: Instant,
    answered: Instant,
    reply: Vec<String>,
}

impl Asked {
    fn is_allowed(&self) -> bool {
        self.reply[0] == ":1"
    }

    fn basis(&self) -> &str {
        &self.reply[5]
    }
}

async fn ask(sidecar: SocketAddr, key: &str, arguments: &str) -> Asked {
    let words: Vec<&str> = ["FAILSOFT", "LIMIT", key].into_iter().chain(arguments.split(' ')).collect();
    let sent = Instant::now();
    let reply = shown(&ask_all(sidecar, 1, &[command(&words)]).await[0]);
    assert!(reply.starts_with("*5\r\n"), "{reply}");
    Asked { sent, answered: Instant::now(), reply: reply.split("\r\n").skip(1).map(str::to_owned).collect() }
}

/// `rounds` requests at each instance, one after the other, all instances at once.
async fn press(sidecars: &[Sidecar], rounds: usize, key: &'static str) -> Vec<Asked> {
    let mut pressing = JoinSet::new();
    for addr in sidecars.iter().map(Sidecar::addr) {
        pressing.spawn(async move {
            let mut asked = Vec::new();
            for _ in 0..rounds {
                asked.push(ask(addr, key, ARGUMENTS).await);
            }
            asked
        });
    }
    pressing.join_all().await.into_iter().flatten().collect()
}

/// No window, wherever it lies, may hold more than the limit, what the window earns, and `rounding`. A request counts to
/// the longest window that it may lie in, so that a slow machine proves nothing wrong.
fn assert_kept(asked: &[Asked], rounding: u32) {
    let mut allowed: Vec<&Asked> = asked.iter().filter(|asked| asked.is_allowed()).collect();
    allowed.sort_by_key(|asked| asked.sent);
    for (index, first) in allowed.iter().enumerate() {
        for (count, last) in allowed[index..].iter().enumerate() {
            let window = last.answered.saturating_duration_since(first.sent);
            let earned = (window.as_nanos() / LIMIT.interval.as_nanos()) as usize;
            let most = (LIMIT.burst + rounding) as usize + earned;
            assert!(count < most, "{} passed in {window:?}, {most} may", count + 1);
        }
    }
}

fn count(asked: &[Asked], basis: &str) -> usize {
    asked.iter().filter(|asked| asked.is_allowed() && asked.basis() == basis).count()
}

async fn fleet(redis: &Redis) -> Vec<Sidecar> {
    let mut starting = JoinSet::new();
    for _ in 0..INSTANCES {
        let settings = settings(&redis.url(), ROUTE).replace("server.threads = 2", "server.threads = 1");
        starting.spawn(async move { Sidecar::start(tools::bin(), &settings).await });
    }
    let sidecars = starting.join_all().await;
    counted(&sidecars, INSTANCES).await;
    sidecars
}

async fn counted(sidecars: &[Sidecar], size: u32) {
    for sidecar in sidecars {
        eventually("the fleet to be counted", PATIENCE, || async {
            sidecar.metric("failsoft_fleet_size", &[]).await == Some(f64::from(size))
        })
        .await;
    }
}

async fn told(sidecars: &[Sidecar]) {
    for sidecar in sidecars {
        eventually("Redis to be told", PATIENCE, || async {
            sidecar.metric("failsoft_limit_debts_told_total", &[]).await >= Some(1.0)
        })
        .await;
    }
}

#[tokio::test]
async fn ten_instances_keep_one_limit_while_redis_is_away_and_give_nothing_away_on_its_return() {
    let redis = Redis::start().await;
    let sidecars = fleet(&redis).await;
    redis.kill().await;
    let mut asked = press(&sidecars, 8, "limit:away").await;
    assert_eq!(count(&asked, "redis"), 0);
    assert!(count(&asked, "local") >= LIMIT.burst as usize, "nobody's share is nothing");
    assert_kept(&asked, INSTANCES - 1);
    // It has lost all that it knew.
    redis.restart_empty().await;
    told(&sidecars).await;
    let after = press(&sidecars, 8, "limit:away").await;
    asked.extend(after);
    assert_kept(&asked, INSTANCES - 1);
}

#[tokio::test]
async fn an_outage_does_not_begin_with_a_new_burst() {
    let redis = Redis::start().await;
    let sidecars = fleet(&redis).await;
    let mut asked = press(&sidecars, 4, "limit:used-up").await;
    assert!(asked.iter().all(|asked| asked.basis() == "redis"));
    assert_kept(&asked, 0);
    assert!(count(&asked, "redis") >= LIMIT.burst as usize);
    redis.kill().await;
    asked.extend(press(&sidecars, 4, "limit:used-up").await);
    assert_kept(&asked, INSTANCES - 1);
}

/// Fifty clients at ten instances and one key: exactly as many as the limit says, for a limit that earns nothing meanwhile.
#[tokio::test]
async fn with_redis_there_the_fleet_lets_through_exactly_the_limit() {
    let redis = Redis::start().await;
    let sidecars = fleet(&redis).await;
    let mut clients = JoinSet::new();
    for client in 0..50 {
        let addr = sidecars[client % sidecars.len()].addr();
        clients.spawn(async move {
            let words = ["FAILSOFT", "LIMIT", "limit:exact", "100", "31536000000"];
            let asked = vec![command(&words); 10];
            let replies = ask_all(addr, 1, &asked).await;
            replies.iter().filter(|reply| reply.starts_with(b"*5\r\n:1\r\n")).count()
        });
    }
    assert_eq!(clients.join_all().await.into_iter().sum::<usize>(), 100);
}

#[tokio::test]
async fn a_fleet_counts_itself_shrinks_when_it_lasts_and_remembers_while_redis_is_away() {
    let redis = Redis::start().await;
    let mut sidecars = vec![];
    for _ in 0..3 {
        sidecars.push(start(&redis.url(), ROUTE).await);
    }
    counted(&sidecars, 3).await;
    sidecars.pop().unwrap().kill().await;
    counted(&sidecars, 2).await;
    redis.kill().await;
    for sidecar in &sidecars {
        eventually("a beat without Redis", PATIENCE, || async {
            sidecar.metric("failsoft_fleet_heartbeats_total", &[("result", "away")]).await >= Some(2.0)
        })
        .await;
        assert_eq!(sidecar.metric("failsoft_fleet_size", &[]).await, Some(2.0));
    }
    let late = start(&redis.url(), &format!("fleet.min_size = 5\n{ROUTE}")).await;
    assert_eq!(late.metric("failsoft_fleet_size", &[]).await, Some(5.0), "it has never counted");
}

#[tokio::test]
async fn a_redis_that_does_not_let_the_fleet_be_counted_is_told_of_once_and_hurts_nobody() {
    let redis = Redis::start().await;
    redis.command(&["ACL", "SETUSER", "default", "resetkeys", "~limit:*"]).await;
    let sidecar = start(&redis.url(), &format!("fleet.min_size = 2\n{ROUTE}")).await;
    eventually("two beats to be refused", PATIENCE, || async {
        sidecar.metric("failsoft_fleet_heartbeats_total", &[("result", "refused")]).await >= Some(2.0)
    })
    .await;
    assert_eq!(sidecar.log().matches("the fleet cannot be counted").count(), 1);
    assert_eq!(sidecar.metric("failsoft_fleet_size", &[]).await, Some(2.0));
    assert_eq!(ask(sidecar.addr(), "limit:a", "5 1000").await.basis(), "redis");
}

#[tokio::test]
async fn nothing_is_left_in_redis_where_nobody_shares_or_the_size_is_written() {
    let redis = Redis::start().await;
    let closed = ROUTE.replace("local", "closed");
    let quiet = [start(&redis.url(), &closed).await, start(&redis.url(), &format!("fleet.size = 3\n{ROUTE}")).await];
    let counting = start(&redis.url(), &format!("fleet.name = \"other\"\n{ROUTE}")).await;
    counted(std::slice::from_ref(&counting), 1).await;
    eventually("a sign of life", PATIENCE, || async {
        redis.command(&["EXISTS", "failsoft:fleet:other"]).await == redis::Value::Int(1)
    })
    .await;
    assert_eq!(redis.command(&["EXISTS", "failsoft:fleet:default"]).await, redis::Value::Int(0));
    assert_eq!(quiet[1].metric("failsoft_fleet_size", &[]).await, Some(3.0));
    assert_eq!(quiet[0].metric("failsoft_fleet_heartbeats_total", &[("result", "counted")]).await, Some(0.0));
}
