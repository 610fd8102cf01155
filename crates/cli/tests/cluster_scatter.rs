//! Before a cluster, commands for several shards are answered as one server would, and partial failure is told.
#![allow(clippy::unwrap_used)]

mod clusters;
mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, Failover, Node, slot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

use clusters::{ask, before};
use common::Client;

const PATIENCE: Duration = Duration::from_secs(20);

/// What one server says to a list of calls, and what the sidecar before a cluster says to them.
async fn same(sidecar: &failsoft_testkit::sidecar::Sidecar, calls: &[&str]) {
    let alone = Redis::start().await;
    let mut server = Client::connect(alone.addr()).await;
    let mut client = Client::connect(sidecar.addr()).await;
    for protocol in ["2", "3"] {
        server.ask(&["HELLO", protocol]).await;
        client.ask(&["HELLO", protocol]).await;
        for call in calls {
            let words: Vec<&str> = call.split(' ').collect();
            assert_eq!(client.ask(&words).await, server.ask(&words).await, "{call} in RESP{protocol}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_apart_is_answered_as_one_server_answers() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let calls = [
        "MSET a 1 b 2 c 3 d 4 e 5 a 6",
        "MGET a b c d e f a",
        "EXISTS a b c nothing a",
        "TOUCH a b nothing",
        "HSET h f v",
        "MGET a h b",
        "DEL a b a nothing",
        "UNLINK c d e",
        "MGET a b c d e",
        "MSET a",
        "MSET a 1 b",
        "DEL h",
        "KEYS [a-h]",
        "SCRIPT LOAD return_1",
        "SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db ffffffffffffffffffffffffffffffffffffffff",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "PUBSUB CHANNELS",
        "PUBSUB NUMSUB a b",
        "PUBSUB NUMPAT",
        "CONFIG SET maxmemory-samples 7",
        "CONFIG SET nonsense 7",
        "CLIENT PAUSE 1 WRITE",
        "CLIENT UNPAUSE",
    ];
    same(&sidecar, &calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shard_is_scanned_listed_counted_and_flushed() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = sidecar.redis_connection().await;
    let expected: BTreeSet<String> = (0..1_000).map(|number| format!("key:{number}")).collect();
    let mut mset = vec!["MSET".to_owned()];
    expected.iter().for_each(|key| mset.extend([key.clone(), "value".to_owned()]));
    let words: Vec<&str> = mset.iter().map(String::as_str).collect();
    ask::<()>(&mut client, &words).await.unwrap();
    // failsoft's probes leave a key at each primary.
    let size = ask::<u64>(&mut client, &["DBSIZE"]).await.unwrap();
    assert!((1_000..=1_003).contains(&size), "{size}");
    let listed: BTreeSet<String> = ask(&mut client, &["KEYS", "key:*"]).await.unwrap();
    assert_eq!(listed, expected);
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), BTreeSet::new(), 0);
    loop {
        let (next, keys): (String, Vec<String>) =
            ask(&mut client, &["SCAN", &cursor, "COUNT", "50", "MATCH", "key:*"]).await.unwrap();
        seen.extend(keys);
        cursor = next;
        calls += 1;
        assert!(calls < 200, "an endless scan");
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert!(!ask::<String>(&mut client, &["RANDOMKEY"]).await.unwrap().is_empty());
    let words: Vec<&str> = std::iter::once("DEL").chain(expected.iter().take(700).map(String::as_str)).collect();
    assert_eq!(ask::<u64>(&mut client, &words).await.unwrap(), 700);
    ask::<()>(&mut client, &["FLUSHALL"]).await.unwrap();
    assert_eq!(ask::<Vec<String>>(&mut client, &["KEYS", "key:*"]).await.unwrap(), [""; 0]);
}

/// Pages of a scan, until it ends or there are `pages` of them; the cursor to go on with.
async fn scan(client: &mut Client, mut cursor: String, pages: usize, seen: &mut BTreeSet<String>) -> String {
    for page in 0.. {
        assert!(page < 2_000, "an endless scan");
        let told = client.ask(&["SCAN", &cursor, "COUNT", "10", "MATCH", "key:*"]).await;
        assert!(told.starts_with("*2\r\n$"), "{told}");
        let mut lines = told.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
        cursor = lines.next().unwrap().to_owned();
        seen.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        if cursor == "0" || page + 1 == pages {
            break;
        }
    }
    cursor
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_misses_nothing_while_primaries_change_and_slots_move() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"1s\"").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let expected: BTreeSet<String> = (0..500).map(|number| format!("key:{number}")).collect();
    for key in &expected {
        assert_eq!(client.ask(&["SET", key, "v"]).await, "+OK\r\n");
    }
    let mut seen = BTreeSet::new();
    let cursor = scan(&mut client, "0".to_owned(), 8, &mut seen).await;
    let primary = cluster.primary_of(0).await;
    let replica = cluster.replicas_of(primary).await[0];
    cluster.failover(replica, Failover::Plain).await;
    cluster.wait_promoted(replica).await;
    known(&sidecar, replica).await;
    let cursor = scan(&mut client, cursor, 30, &mut seen).await;
    cluster.reshard(0..=500, cluster.primary_of(16_383).await).await;
    assert_eq!(client.ask(&["GET", &slot::key_in(0..=500, "nothing")]).await, "$-1\r\n");
    assert_eq!(scan(&mut client, cursor, usize::MAX, &mut seen).await, "0");
    assert_eq!(seen, expected);
}

/// Returns when the sidecar takes `node` for a primary.
async fn known(sidecar: &failsoft_testkit::sidecar::Sidecar, node: &Node) {
    eventually("the sidecar to know the new primary", PATIENCE, || async {
        sidecar.log_contains(&format!("primary={}", node.addr()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_carried_out_in_its_order_across_what_is_taken_apart() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let many: Vec<String> = (0..400).map(|number| format!("k{number}")).collect();
    let mut mset = vec!["MSET"];
    many.iter().for_each(|key| mset.extend([key.as_str(), "many"]));
    let replies = client
        .pipeline(&[
            vec!["SET", "a", "1"],
            vec!["MSET", "a", "2", "b", "2"],
            vec!["GET", "a"],
            vec!["DEL", "a", "b"],
            vec!["GET", "b"],
            mset,
            vec!["GET", "k399"],
            vec!["SET", "k399", "one"],
            vec!["MGET", "k398", "k399"],
            vec!["FLUSHALL"],
            vec!["GET", "k0"],
        ])
        .await;
    assert_eq!(
        replies,
        [
            "+OK\r\n",
            "+OK\r\n",
            "$1\r\n2\r\n",
            ":2\r\n",
            "$-1\r\n",
            "+OK\r\n",
            "$4\r\nmany\r\n",
            "+OK\r\n",
            "*2\r\n$4\r\nmany\r\n$3\r\none\r\n",
            "+OK\r\n",
            "$-1\r\n"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_apart_is_refused_in_redis_words() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let mut node = Client::connect(cluster.nodes()[0].addr()).await;
    for call in [
        "MSETNX a 1 b 2",
        "RENAME a b",
        "SUNION a b",
        "SINTERSTORE {x}a b",
        "EVAL return 2 a b",
        "BLPOP a b 1",
        "WATCH a b",
        "PFMERGE a b",
        "COPY a b",
        "SSUBSCRIBE a b",
    ] {
        let words: Vec<&str> = call.split(' ').collect();
        let refused = client.ask(&words).await;
        assert_eq!(refused, "-CROSSSLOT Keys in request don't hash to the same slot\r\n", "{call}");
        assert_eq!(refused, node.ask(&words).await, "{call}");
    }
    assert_eq!(client.ask(&["MSETNX", "{t}a", "1", "{t}b", "2"]).await, ":1\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_which_one_shard_is_away_says_how_much_was_done() {
    let cluster = Cluster::builder().replicas(0).set("cluster-require-full-coverage", "no").start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let thirds = [0..=5_000, 6_000..=10_000, 11_000..=16_383];
    let keys: Vec<String> =
        thirds.iter().flat_map(|third| slot::keys_in(third.clone(), "k").take(2).collect::<Vec<_>>()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mset: Vec<&str> = std::iter::once("MSET").chain(keys.iter().flat_map(|key| [*key, "v"])).collect();
    assert_eq!(client.ask(&mset).await, "+OK\r\n");
    cluster.primary_of(16_383).await.kill().await;
    let all = |name: &'static str| std::iter::once(name).chain(keys.iter().copied()).collect::<Vec<_>>();
    let told = client.ask(&all("DEL")).await;
    assert!(told.starts_with("-UNAVAILABLE partly done, try again keys=6 keys-done=4 "), "{told}");
    assert!(told.contains(" retry-after-ms=") && !told.contains(keys[0]), "{told}");
    assert_eq!(client.ask(&all("MGET")[..5]).await, "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
    let told = client.ask(&all("MGET")).await;
    assert!(told.starts_with("-UNAVAILABLE nothing was done, try again "), "{told}");
    let told = client.ask(&["FLUSHALL"]).await;
    assert!(told.starts_with("-UNAVAILABLE partly done, try again shards=3 shards-done=2 "), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_was_sent_and_not_answered_makes_the_outcome_unknown() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let [one, other] = [0..=5_000, 11_000..=16_383].map(|slots| slot::key_in(slots, "k"));
    assert_eq!(client.ask(&["MSET", &one, "1", &other, "1"]).await, "+OK\r\n");
    let node = cluster.primary_of(slot::of(&other)).await;
    node.pause();
    let told = client.ask(&["DEL", &one, &other]).await;
    node.resume();
    assert!(told.starts_with("-OUTCOMEUNKNOWN partly done, and what was sent"), "{told}");
    assert!(told.contains(" keys=2 keys-done=1 keys-unknown=1 "), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_with_an_origin_fills_what_a_lost_shard_leaves_out() {
    let cluster = Cluster::builder().replicas(0).set("cluster-require-full-coverage", "no").start().await;
    let origin = failsoft_testkit::origin::HttpOrigin::start().await;
    let routes = format!(
        "[origins.users]\nurl = \"{}\"\nmax_rate = 10000\n[[routes]]\nkeys = \"user:{{id}}\"\nrole = \"cache\"\n\
         origin = \"users\"\nget = \"/users/{{id}}\"\n",
        origin.url()
    );
    let sidecar = before(&cluster, &routes).await;
    let mut client = Client::connect(sidecar.addr()).await;
    let users: Vec<u32> = (1..=30).collect();
    let keys: Vec<String> = users.iter().map(|id| format!("user:{id}")).collect();
    cluster.primary_of(16_383).await.kill().await;
    let mget: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    let answered = client.ask(&mget).await;
    assert!(answered.starts_with("*30\r\n$"), "{answered}");
    assert!(!answered.contains("$-1"), "{answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_slot_on_the_move_are_found_on_either_side_also_together() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let tag = slot::key_in(0..=5_000, "t");
    let keys: Vec<String> = (0..20).map(|number| format!("{{{tag}}}:{number}")).collect();
    let all = |name: &'static str| std::iter::once(name).chain(keys.iter().map(String::as_str)).collect::<Vec<_>>();
    let mset: Vec<&str> = std::iter::once("MSET").chain(keys.iter().flat_map(|key| [key.as_str(), "v"])).collect();
    assert_eq!(client.ask(&mset).await, "+OK\r\n");
    let target = cluster.primary_of(16_383).await;
    let moving = cluster.begin_move(slot::of(&tag), target).await;
    moving.move_keys(10).await;
    let expected = format!("*20\r\n{}", "$1\r\nv\r\n".repeat(20));
    assert_eq!(client.ask(&all("MGET")).await, expected);
    assert_eq!(client.ask(&all("EXISTS")).await, ":20\r\n");
    assert_eq!(client.ask(&all("TOUCH")).await, ":20\r\n");
    assert_eq!(client.ask(&all("DEL")).await, ":20\r\n");
    while moving.move_keys(100).await > 0 {}
    moving.finish().await;
    assert_eq!(client.ask(&all("EXISTS")).await, ":0\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_keeps_one_shard_busy_can_be_ended() {
    let cluster = Cluster::builder().replicas(0).set("busy-reply-threshold", "50").start().await;
    let sidecar = before(&cluster, "").await;
    let key = slot::key_in(11_000..=16_383, "k");
    let node = cluster.primary_of(slot::of(&key)).await;
    let mut stuck = Client::connect(sidecar.addr()).await;
    stuck.send(&["EVAL", "while true do end", "1", &key]).await;
    eventually("the script to be noticed", PATIENCE, || async {
        matches!(node.try_command(&["GET", &key]).await, Err(error) if error.code() == Some("BUSY"))
    })
    .await;
    let mut client = Client::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["SCRIPT", "KILL"]).await, "+OK\r\n");
    assert!(stuck.reply().await.contains("Script killed by user"));
    eventually("every shard to be free", PATIENCE, || async {
        Client::connect(sidecar.addr()).await.ask(&["SCRIPT", "KILL"]).await.starts_with("-NOTBUSY")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_one_act_stays_one_while_its_slot_is_on_the_move() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let tag = slot::key_in(0..=5_000, "t");
    let (here, there) = (format!("{{{tag}}}:0"), format!("{{{tag}}}:1"));
    assert_eq!(client.ask(&["MSET", &here, "old", &there, "old"]).await, "+OK\r\n");
    let moving = cluster.begin_move(slot::of(&tag), cluster.primary_of(16_383).await).await;
    assert_eq!(moving.move_keys(1).await, 1);
    assert!(client.ask(&["MSET", &here, "new", &there, "new"]).await.starts_with("-TRYAGAIN"));
    assert_eq!(client.ask(&["MGET", &here, &there]).await, "*2\r\n$3\r\nold\r\n$3\r\nold\r\n");
    assert_eq!(client.ask(&["DEL", &here, &there]).await, ":2\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_finds_its_slot_divided_is_not_done_after_what_was_asked_later() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = Client::connect(sidecar.addr()).await;
    let tag = slot::key_in(0..=5_000, "t");
    let keys = ["0", "1"].map(|number| format!("{{{tag}}}:{number}"));
    let apart = slot::key_in(11_000..=16_383, "k");
    client.ask(&["MSET", &keys[0], "old", &keys[1], "old"]).await;
    let moving = cluster.begin_move(slot::of(&tag), cluster.primary_of(16_383).await).await;
    assert_eq!(moving.move_keys(1).await, 1);
    for round in 0..20 {
        let (first, second) = (format!("first:{round}"), format!("second:{round}"));
        let calls = [
            vec!["MSET", &keys[0], &first, &keys[1], &first, &apart, &first],
            vec!["SET", &keys[0], &second],
            vec!["SET", &keys[1], &second],
        ];
        let answered = client.pipeline(&calls).await;
        let is_told = answered[0] == "+OK\r\n" || answered[0].contains("keys=3 keys-done=1");
        assert!(is_told && answered[1..] == ["+OK\r\n", "+OK\r\n"], "{answered:?}");
        for key in &keys {
            assert_eq!(client.ask(&["GET", key]).await, clusters::bulk(&second), "{answered:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_silent_shard_is_bounded_for_all_commands_of_a_client_together() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let patient = "redis.timeout = \"2s\"\nrequest.deadline = \"10s\"\nserver.max_output_buffer = \"1MiB\"\n";
    let sidecar = before(&cluster, patient).await;
    let mut client = Client::connect(sidecar.addr()).await;
    let [one, other] = [slot::key_in(0..=5_000, "k"), slot::key_in(11_000..=16_383, "k")];
    client.ask(&["MSET", &one, &"x".repeat(300_000), &other, "y"]).await;
    let silent = cluster.primary_of(slot::of(&other)).await;
    silent.pause();
    let answered = client.pipeline(&vec![vec!["MGET", &one, &other]; 6]).await;
    silent.resume();
    assert!(answered[0].starts_with("-UNAVAILABLE"), "{}", answered[0]);
    assert!(answered[5].starts_with("-ERR what the shards have answered"), "{}", answered[5]);
    eventually("room again", PATIENCE, || async {
        let mut client = Client::connect(sidecar.addr()).await;
        client.ask(&["MGET", &one, &other]).await.starts_with("*2\r\n$300000")
    })
    .await;
}
