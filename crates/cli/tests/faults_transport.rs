//! docs/faults.md, rows 1 to 17 and 49: a Redis that is dead, silent, slow or talks nonsense, as the readers of a cache route
//! see it, and beside them those who need a lock or a session.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::replies::{assert_error, assert_outcome_unknown, assert_unavailable, bulk, from_origin};
use common::{PATIENCE, Settings, Stage};
use failsoft_testkit::proxy::{Mode, OneShot, Toxics};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const DISCONNECTS: &str = "failsoft_node_disconnects_total";

/// Right: reads come from the origin; what may not be guessed is refused with a time to try again; after that nobody
/// but a probe asks Redis; and it is taken back by itself.
#[tokio::test]
async fn row_01_connect_refused() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.redis.kill().await;
    assert_eq!(stage.get("user:1").await, from_origin(1));
    assert_unavailable(&stage.get("session:1").await);
    assert_unavailable(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
    assert_isolated(&stage).await;
    stage.redis.restart().await;
    stage.assert_healed().await;
}

/// Right: a sidecar whose Redis has never answered a SYN starts, and gives up connecting in time to ask the origin.
#[tokio::test]
async fn row_02_black_holed_syn() {
    let hole = BlackHole::open().await;
    let at_the_hole = format!("['redis://{}']", hole.addr);
    let stage = Stage::on(Redis::start().await, |settings| settings.set("redis.nodes", &at_the_hole)).await;
    for id in 1..=5 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    assert_unavailable(&stage.get("session:1").await);
    assert_unavailable(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
    stage.await_count("failsoft_node_connect_failures_total", &[("reason", "connect_timeout")], 1).await;
    stage.await_circuit("open").await;
}

/// Right: a peer that accepts and says nothing costs a read its timeout once, then nothing.
#[tokio::test]
async fn row_03_accept_then_silent() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.proxy.set_mode(Mode::AcceptSilent).await;
    assert_silence_is_bridged(&stage).await;
    stage.proxy.set_mode(Mode::Pass).await;
    stage.assert_healed().await;
}

/// Right: a stopped process, whose port still accepts, is isolated like a dead one and comes back when it goes on.
#[tokio::test]
async fn row_04_stopped_process() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.redis.pause();
    assert_silence_is_bridged(&stage).await;
    stage.redis.resume();
    stage.assert_healed().await;
}

/// Right: while the primary sleeps its replica answers, and the origin is left alone.
#[tokio::test]
async fn row_05_sleeping_primary() {
    let redis = Redis::start().await;
    let replica = Redis::builder().replica_of(&redis).start().await;
    replica.wait_synced().await;
    let replicas = format!("['{}']", replica.url());
    let stage = Stage::on(redis, |settings| settings.set("redis.replicas", &replicas)).await;
    stage.settled().await;
    stage.put("user:1", "from redis").await;
    eventually("the replica to have the value", PATIENCE, || async { replica.get("user:1").await.is_some() }).await;
    stage.redis.debug_sleep(Duration::from_secs(2)).await;
    eventually("the replica to answer", PATIENCE, || async {
        assert_eq!(stage.get("user:1").await, bulk("from redis"));
        stage.count("failsoft_answers_total", &[("tier", "replica")]).await > 0
    })
    .await;
    stage.await_circuit("closed").await;
    assert_eq!(stage.origin.requests(), 0);
}

/// Right: one reply that comes too late is thrown away, neither given to the next request nor held against the
/// connection.
#[tokio::test]
async fn row_05_late_reply() {
    let patient = "'500ms'";
    let stage =
        Stage::with(|settings| settings.set("redis.timeout", patient).set("redis.connect_timeout", patient)).await;
    stage.put("user:1", "from redis").await;
    stage.put("user:2", "second").await;
    stage.proxy.once(OneShot::Delay(Duration::from_millis(700)));
    assert_eq!(stage.get("user:1").await, from_origin(1));
    assert_eq!(stage.get("user:2").await, bulk("second"));
    assert_eq!(stage.count("failsoft_node_late_replies_total", &[]).await, 1);
    assert_eq!(stage.count(DISCONNECTS, &[]).await, 0);
}

/// Right: a network slower than the timeout is isolated, and no late reply ever answers another's question.
#[tokio::test]
async fn row_06_latency_above_the_timeout() {
    let stage = Stage::start().await;
    for id in 1..=20 {
        stage.put(&format!("user:{id}"), &format!("redis {id}")).await;
    }
    stage.proxy.set_toxics(Toxics { latency: Duration::from_millis(150), ..Toxics::default() });
    for id in 1..=10 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    stage.await_circuit("open").await;
    stage.proxy.set_toxics(Toxics::default());
    stage.settled().await;
    for id in 11..=20 {
        assert_eq!(stage.get(&format!("user:{id}")).await, bulk(&format!("redis {id}")));
    }
}

/// Right: a network that is slow one time in twenty is no reason to open the circuit, not even once.
#[tokio::test]
async fn row_07_grey_failure() {
    let stage = Stage::with(|settings| settings.set("redis.timeout", "'1s'").set("request.deadline", "'5s'")).await;
    let slow = Duration::from_millis(110);
    stage.proxy.set_toxics(Toxics { latency: slow, jitter: slow, toxicity: 0.05, ..Toxics::default() });
    let mut client = stage.client().await;
    for id in 1..=100 {
        let key = format!("user:{id}");
        stage.put(&key, &key).await;
        assert_eq!(client.get(&key).await, bulk(&key));
    }
    assert_eq!((stage.origin.requests(), stage.opened().await), (0, 0));
}

/// Right: a value that cannot come in time is not waited for, its part is never taken for it, and readers of other keys
/// are answered meanwhile.
#[tokio::test]
async fn row_08_little_bandwidth() {
    let stage = Stage::start().await;
    stage.put("user:1", &"x".repeat(50_000)).await;
    stage.proxy.set_toxics(Toxics { bandwidth: Some(10_000), ..Toxics::default() });
    let mut large = stage.client().await;
    large.send(&["GET", "user:1"]).await;
    for id in 2..=10 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    assert_eq!(large.reply().await, from_origin(1));
    stage.proxy.set_toxics(Toxics::default());
    stage.assert_healed().await;
}

/// Right: replies that arrive byte by byte are put together again, of whatever kind they are.
#[tokio::test]
async fn row_09_one_byte_slices() {
    let stage = Stage::with(Settings::patient).await;
    stage.proxy.set_toxics(Toxics { slice: Some(1), ..Toxics::default() });
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["MSET", "user:1", "one", "page:2", "two\r\n"]).await, "+OK\r\n");
    assert_eq!(client.get("user:1").await, bulk("one"));
    assert_eq!(client.ask(&["MGET", "user:1", "page:2"]).await, format!("*2\r\n{}{}", bulk("one"), bulk("two\r\n")));
    assert_eq!(client.ask(&["HSET", "page:hash", "field", "value"]).await, ":1\r\n");
    assert_eq!(client.ask(&["HGETALL", "page:hash"]).await, format!("*2\r\n{}{}", bulk("field"), bulk("value")));
    assert_error(&client.ask(&["INCR", "page:2"]).await, "ERR");
    assert_eq!((stage.origin.requests(), stage.count(DISCONNECTS, &[]).await), (0, 0));
}

/// Right: the part of a value that came before the end is never served; the read is repeated at most once, and a write
/// is said to be unknown.
#[tokio::test]
async fn row_10_truncated_reply() {
    assert_cut_reply_is_mended(OneShot::Truncate { keep: 7 }).await;
}

/// Right: an array that ends within its second value is no array: each key is looked for anew.
#[tokio::test]
async fn row_10_truncated_array() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "first").await;
    stage.put("user:2", "second").await;
    stage.proxy.once(OneShot::Truncate { keep: bulk("first").len() + 10 });
    let reply = stage.ask(&["MGET", "user:1", "user:2"]).await;
    let whole = |first: &str, second: &str| format!("*2\r\n{first}{second}");
    let right = [bulk("first"), from_origin(1)]
        .iter()
        .flat_map(|first| [whole(first, &bulk("second")), whole(first, &from_origin(2))])
        .any(|right| right == reply);
    assert!(right, "{reply:?}");
}

/// Right: as for the orderly end.
#[tokio::test]
async fn row_11_reset_within_a_reply() {
    assert_cut_reply_is_mended(OneShot::Reset { after: 7 }).await;
}

/// Right: of a hundred pipelined writes, those before the reset are done and acknowledged, and of the others none is
/// said to be done: unknown if it was sent, not done if it was not.
#[tokio::test]
async fn row_12_reset_within_a_pipeline_of_writes() {
    let stage = Stage::with(Settings::patient).await;
    stage.proxy.nth(50, OneShot::Reset { after: 0 });
    let keys: Vec<String> = (0..100).map(|number| format!("session:{number}")).collect();
    let commands: Vec<_> = keys.iter().map(|key| vec!["SET", key, "value"]).collect();
    let replies = stage.client().await.pipeline(&commands).await;
    for (key, reply) in keys.iter().zip(&replies[..49]) {
        assert_eq!(reply, "+OK\r\n");
        assert_eq!(stage.redis.get(key).await.as_deref(), Some("value"));
    }
    for (key, reply) in keys.iter().zip(&replies).skip(49) {
        if reply.starts_with("-UNAVAILABLE") {
            assert_eq!(stage.redis.get(key).await, None, "{key} was not to be done: {reply}");
        } else if reply != "+OK\r\n" {
            assert_outcome_unknown(reply);
        }
    }
    assert_outcome_unknown(&replies[49]);
}

/// Right: of a hundred pipelined reads every one is answered, with its own value and in its own place.
#[tokio::test]
async fn row_12_reset_within_a_pipeline_of_reads() {
    let stage = Stage::with(Settings::patient).await;
    stage.proxy.nth(50, OneShot::Reset { after: 3 });
    let keys: Vec<String> = (0..100).map(|id| format!("user:{id}")).collect();
    for key in &keys {
        stage.put(key, key).await;
    }
    let commands: Vec<_> = keys.iter().map(|key| vec!["GET", key]).collect();
    let replies = stage.client().await.pipeline(&commands).await;
    for (id, (key, reply)) in keys.iter().zip(replies).enumerate() {
        assert!(reply == bulk(key) || reply == from_origin(id as u64), "GET {key}: {reply:?}");
    }
}

/// Right: a connection that says what is not RESP is given up at once, and nothing of it is believed.
#[tokio::test]
async fn row_13_garbage() {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    stage.put("session:1", "alice").await;
    stage.proxy.once(OneShot::Garbage);
    assert_eq!(stage.get("user:1").await, from_origin(1));
    stage.settled().await;
    stage.proxy.once(OneShot::Garbage);
    assert_unavailable(&stage.get("session:1").await);
    assert_eq!(stage.get("session:1").await, bulk("alice"));
    assert_eq!(stage.count(DISCONNECTS, &[("reason", "protocol_violation")]).await, 2);
}

/// Right: of a write that was answered with garbage nothing is known.
#[tokio::test]
async fn row_13_garbage_for_a_write() {
    let stage = Stage::with(Settings::patient).await;
    stage.proxy.once(OneShot::Garbage);
    assert_outcome_unknown(&stage.ask(&["SET", "lock:1", "token", "NX"]).await);
    assert_eq!(stage.ask(&["GET", "lock:1"]).await, bulk("token"));
}

/// Right: a reply that comes twice closes the connection and never answers the next question.
#[tokio::test]
async fn row_14_duplicate_reply() {
    let stage = Stage::with(|settings| settings.patient().without_circuit()).await;
    assert_never_handed_on(&stage, || OneShot::Duplicate).await;
}

/// Right: so does a reply that nobody asked for.
#[tokio::test]
async fn row_14_unsolicited_reply() {
    let stage = Stage::with(|settings| settings.patient().without_circuit()).await;
    assert_never_handed_on(&stage, || OneShot::Extra(bulk("somebody else's").into_bytes())).await;
}

/// Right: reads are answered by the origin; a write whose reply is lost was done once, is said to be unknown, and is
/// not done again.
#[tokio::test]
async fn row_15_replies_lost() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.proxy.set_mode(Mode::DropReplies).await;
    let replies = stage.client().await.pipeline(&[vec!["GET", "user:1"], vec!["INCR", "visits"]]).await;
    assert_eq!(replies[0], from_origin(1));
    assert_outcome_unknown(&replies[1]);
    stage.proxy.set_mode(Mode::Pass).await;
    stage.settled().await;
    assert_eq!(stage.redis.get("visits").await.as_deref(), Some("1"));
}

/// Right: as long as replies are lost, Redis is isolated like one that is silent.
#[tokio::test]
async fn row_15_replies_lost_for_long() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.proxy.set_mode(Mode::DropReplies).await;
    assert_silence_is_bridged(&stage).await;
    stage.proxy.set_mode(Mode::Pass).await;
    stage.assert_healed().await;
}

/// Right: from here a lost request looks like a lost reply, and is said to be unknown as well.
#[tokio::test]
async fn row_16_requests_lost() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.proxy.set_mode(Mode::DropRequests).await;
    assert_silence_is_bridged(&stage).await;
    assert_eq!(stage.redis.get("lock:1").await, None);
    stage.proxy.set_mode(Mode::Pass).await;
    stage.assert_healed().await;
}

/// Right: an idle connection whose other end has vanished is found out by the sidecar's own PING, without any request.
#[tokio::test]
async fn row_17_half_open() {
    let stage = Stage::start().await;
    stage.proxy.set_mode(Mode::HalfOpen).await;
    stage.await_count(DISCONNECTS, &[("reason", "reply_timeout")], 1).await;
    stage.proxy.set_mode(Mode::Pass).await;
    stage.assert_healed().await;
}

/// Right: a connection whose end is kept back is given up when it does not answer, and reads are answered all along.
#[tokio::test]
async fn row_17_slow_close() {
    let stage = Stage::start().await;
    stage.put("user:1", "from redis").await;
    stage.proxy.set_toxics(Toxics { slow_close: Duration::from_secs(60), ..Toxics::default() });
    stage.redis.kill().await;
    for id in 1..=5 {
        assert_eq!(stage.get(&format!("user:{id}")).await, from_origin(id));
    }
    stage.await_count(DISCONNECTS, &[], 1).await;
    stage.proxy.set_toxics(Toxics::default());
    stage.redis.restart().await;
    stage.assert_healed().await;
}

/// Right: while Redis comes and goes every read is answered, and in the end it is trusted again.
#[tokio::test]
async fn row_49_flapping() {
    const ROUNDS: u64 = 5;
    let stage = Stage::start().await;
    let mut client = stage.client().await;
    for round in 0..ROUNDS {
        for (step, mode) in [Mode::Refuse, Mode::Pass].into_iter().enumerate() {
            stage.proxy.set_mode(mode).await;
            for id in (0..20).map(|read| round * 100 + step as u64 * 20 + read) {
                assert_eq!(client.get(&format!("user:{id}")).await, from_origin(id));
            }
        }
    }
    assert!(stage.opened().await <= ROUNDS, "it opened {} times in {ROUNDS} outages", stage.opened().await);
    stage.assert_healed().await;
}

/// A read, a session's read and a write that a silent Redis is sent at once: the origin answers the first, nobody the
/// second, and of the third nothing is known. Then Redis is left alone.
async fn assert_silence_is_bridged(stage: &Stage) {
    let commands = [vec!["GET", "user:1"], vec!["GET", "session:1"], vec!["SET", "lock:1", "token", "NX"]];
    let replies = stage.client().await.pipeline(&commands).await;
    assert_eq!(replies[0], from_origin(1));
    assert_unavailable(&replies[1]);
    assert_outcome_unknown(&replies[2]);
    assert_isolated(stage).await;
}

/// The circuit is open: a hundred reads are answered by the origin, and nobody but the probe talks to Redis.
async fn assert_isolated(stage: &Stage) {
    /// A connection, its handshake and three questions.
    const TRACES_OF_A_PROBE: u64 = 5;
    stage.await_circuit("open").await;
    assert_eq!(stage.state().await["nodes"][0]["circuit"]["state"], "open");
    let reached = || stage.proxy.accepted() + stage.proxy.requests();
    let (reached_before, probes_before) = (reached(), stage.probes().await);
    let mut client = stage.client().await;
    for id in 1001..=1100 {
        assert_eq!(client.get(&format!("user:{id}")).await, from_origin(id));
    }
    let both = format!("*2\r\n{}{}", from_origin(1101), from_origin(1102));
    assert_eq!(client.ask(&["MGET", "user:1101", "user:1102"]).await, both);
    assert_unavailable(&client.get("session:1").await);
    assert_unavailable(&client.ask(&["SET", "lock:1", "token", "NX"]).await);
    let reached = reached() - reached_before;
    let probes = stage.probes().await + 1 - probes_before;
    assert!(reached <= probes * TRACES_OF_A_PROBE, "{reached} traces of at most {probes} probes");
}

/// A reply that ends in its middle, to a read and to a write.
async fn assert_cut_reply_is_mended(cut: OneShot) {
    let stage = Stage::with(Settings::patient).await;
    stage.put("user:1", "from redis").await;
    let before = stage.proxy.requests();
    stage.proxy.once(cut.clone());
    let reply = stage.get("user:1").await;
    assert!(reply == bulk("from redis") || reply == from_origin(1), "{reply:?}");
    stage.settled().await;
    // The question, the handshake of the new connection, the question again or what the origin gave written back.
    assert!(stage.proxy.requests() - before <= 3, "{} requests", stage.proxy.requests() - before);

    stage.proxy.once(cut);
    assert_outcome_unknown(&stage.ask(&["INCRBY", "visits", "1000000"]).await);
    stage.settled().await;
    assert_eq!(stage.redis.get("visits").await.as_deref(), Some("1000000"));
}

/// Every read is struck by `fault`, and the next is answered right all the same.
async fn assert_never_handed_on(stage: &Stage, fault: impl Fn() -> OneShot) {
    const READS: u64 = 30;
    let mut client = stage.client().await;
    for id in 1..=READS {
        let key = format!("user:{id}");
        stage.put(&key, &key).await;
        stage.proxy.once(fault());
        let reply = client.get(&key).await;
        assert!(reply == bulk(&key) || reply == from_origin(id), "GET {key}: {reply:?}");
        stage.await_count(DISCONNECTS, &[("reason", "protocol_violation")], id).await;
        stage.settled().await;
    }
}

/// A port whose SYNs go unanswered: its queue of connections is full, and nobody accepts any.
struct BlackHole {
    addr: SocketAddr,
    _listener: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(addr)).await {
            waiting.push(connected.unwrap());
        }
        Self { addr, _listener: listener, _waiting: waiting }
    }
}
