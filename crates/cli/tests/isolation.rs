//! No reply ever reaches another client: many clients whose values say whose they are, and who leave without waiting.
//!
//! Every client reads and writes only what carries its own number. Some drop their connection while replies are on
//! their way, some half-way through a reply; the connection to Redis is cut and slowed meanwhile. Whatever a client is
//! given must be its own, or an error.
#![allow(clippy::unwrap_used)]

mod tools;

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::{FaultProxy, Mode, OneShot, Toxics};
use failsoft_testkit::redis::Redis;
use tokio::task::JoinSet;

use tools::{Dice, PATIENCE, command, metric, on_own_thread, reaches, shown, start};

const CLIENTS: usize = 40;
const PIPELINES_EACH: usize = 200;
const KEYS: usize = 20;

const SETTINGS: &str = r#"
redis.timeout = "150ms"
redis.probe_interval = "100ms"
breaker.failures = 10000
breaker.min_calls = 100000
breaker.cooldown = "500ms"
breaker.probe_cooldown = "100ms"
breaker.ramp = "100ms"

[[routes]]
keys = "page:*"
role = "cache"
lease = "0s"

[[routes]]
keys = "session:*"
role = "session"
"#;

#[tokio::test]
async fn no_reply_goes_astray_whoever_leaves_and_whatever_breaks() {
    let redis = Redis::start().await;
    for client in 0..CLIENTS {
        for key in 0..KEYS {
            for prefix in ["page", "session", "plain"] {
                redis.command(&["SET", &format!("{prefix}:{client}:{key}"), &tag(client, key)]).await;
            }
        }
    }
    let redis_addr = redis.addr();
    let proxy = on_own_thread(async move { FaultProxy::start(redis_addr).await }).await;
    let sidecar = start(&proxy.url(), SETTINGS).await;

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(live(sidecar.addr(), client, Dice(client as u64)));
    }
    let mut dice = Dice(1_000);
    let mut answered = 0;
    while !clients.is_empty() {
        disturb(&proxy, &mut dice).await;
        while let Some(done) = clients.try_join_next() {
            answered += done.unwrap();
        }
    }
    assert!(answered > CLIENTS * PIPELINES_EACH, "{answered} replies that were values");
    assert!(metric(&sidecar, "failsoft_node_silences_total", &[]).await > 0.0, "nothing was ever disturbed");
}

/// A socket that was reset is ready for ever, and a session that waits for Redis must not go round on that.
#[tokio::test]
async fn clients_that_reset_while_redis_is_silent_cost_the_others_nothing() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "request.deadline = \"60s\"\nredis.timeout = \"60s\"\n").await;
    redis.pause();
    for _ in 0..20 {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.send(command(&["GET", "plain"])).await.unwrap();
        client.reset();
    }
    reaches(&sidecar, "failsoft_clients_closed_total", &[("reason", "broken")], 20.0).await;
    for _ in 0..20 {
        assert_eq!(HostileClient::connect(sidecar.addr()).await.ask(&["PING"], PATIENCE).await, "+PONG\r\n");
    }
}

/// A value that says whose it is, of a length that differs from its neighbours'.
fn tag(client: usize, key: usize) -> String {
    format!("{client}/{key}/{}", "x".repeat(client * 7 % 50 + key))
}

async fn disturb(proxy: &FaultProxy, dice: &mut Dice) {
    let shots = [OneShot::Lose, OneShot::Garbage];
    match dice.roll(5) {
        0 => proxy.cut().await,
        1 => proxy.once(shots[dice.roll(shots.len())].clone()),
        2 => proxy.set_toxics(Toxics { latency: Duration::from_millis(dice.roll(60) as u64), ..Toxics::default() }),
        3 => proxy.set_toxics(Toxics::default()),
        _ => {
            proxy.set_mode(Mode::DropReplies).await;
            // sleeps: how long replies are lost
            tokio::time::sleep(Duration::from_millis(5)).await;
            proxy.set_mode(Mode::Pass).await;
        }
    }
    // sleeps: the pace of the disturbances, slow enough for a connection to be made and used between them
    tokio::time::sleep(Duration::from_millis(60 + dice.roll(100) as u64)).await;
}

/// Sends pipelines and reads some, all or half a byte too few of the replies; returns how many were values.
async fn live(addr: SocketAddr, own: usize, mut dice: Dice) -> usize {
    let mut values = 0;
    let mut client = HostileClient::connect(addr).await;
    for _ in 0..PIPELINES_EACH {
        let asked: Vec<(String, usize)> = (0..1 + dice.roll(20))
            .map(|_| (["page", "session", "plain"][dice.roll(3)].to_owned(), dice.roll(KEYS)))
            .collect();
        let requests: Vec<u8> =
            asked.iter().flat_map(|(prefix, key)| command(&["GET", &format!("{prefix}:{own}:{key}")])).collect();
        client.send(requests).await.unwrap();
        let read = if dice.roll(3) == 0 { dice.roll(asked.len() + 1) } else { asked.len() };
        let mut errors = 0;
        for (prefix, key) in &asked[..read] {
            let reply = shown(client.read_reply(PATIENCE).await);
            if reply.starts_with('-') {
                errors += 1;
            } else {
                let expected = tag(own, *key);
                assert_eq!(reply, format!("${}\r\n{expected}\r\n", expected.len()), "{prefix}:{own}:{key}");
                values += 1;
            }
        }
        if errors > 0 {
            // sleeps: as applications do; who asks again at once is through before Redis is back
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if read < asked.len() {
            if dice.roll(2) == 0 {
                client.read_exactly(1, PATIENCE).await;
            }
            client.reset();
            client = HostileClient::connect(addr).await;
        }
    }
    values
}
