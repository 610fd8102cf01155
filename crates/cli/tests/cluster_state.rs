//! Before a cluster: transactions where their keys are, blocking pops and subscriptions at the owner, and never a MOVED.
#![allow(clippy::unwrap_used)]

mod clusters;
mod common;

use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, Node, slot};
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use clusters::before;
use common::Client;

const PATIENCE: Duration = Duration::from_secs(20);
const CROSSSLOT: &str = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";

async fn client(sidecar: &Sidecar) -> Client {
    Client::connect(sidecar.addr()).await
}

/// Keys at three shards.
fn thirds() -> [String; 3] {
    [0..=5_000, 6_000..=10_000, 11_000..=16_383].map(|slots| slot::key_in(slots, "k"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_carried_out_where_its_keys_are() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    for key in thirds() {
        let (mut client, other) = (client(&sidecar).await, format!("{{{key}}}:other"));
        let replies = client
            .pipeline(&[
                vec!["MULTI"],
                vec!["PING"],
                vec!["SET", &key, "1"],
                vec!["INCR", &key],
                vec!["SET", &other, "x"],
                vec!["EXEC"],
                vec!["GET", &key],
            ])
            .await;
        let queued = "+QUEUED\r\n";
        let done = "*4\r\n+PONG\r\n+OK\r\n:2\r\n+OK\r\n";
        assert_eq!(replies, ["+OK\r\n", queued, queued, queued, queued, done, "$1\r\n2\r\n"], "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_without_keys_or_without_commands_is_one_all_the_same() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = client(&sidecar).await;
    for (calls, last) in [
        (vec!["MULTI", "EXEC"], "*0\r\n"),
        (vec!["MULTI", "DISCARD"], "+OK\r\n"),
        (vec!["MULTI", "PING", "DISCARD"], "+OK\r\n"),
        (vec!["MULTI", "PING", "ECHO x", "EXEC"], "*2\r\n+PONG\r\n$1\r\nx\r\n"),
        (vec!["MULTI", "MULTI"], "-ERR MULTI calls can not be nested\r\n"),
        (vec!["WATCH a"], "-ERR WATCH inside MULTI is not allowed\r\n"),
        (vec!["EXEC"], "*0\r\n"),
        (vec!["EXEC"], "-ERR EXEC without MULTI\r\n"),
        (vec!["MULTI", "NONSENSE", "GET a", "EXEC"], ABORTED),
        (vec!["MULTI", "GET", "GET a", "EXEC"], ABORTED),
        (vec!["GET a"], "$-1\r\n"),
    ] {
        let mut reply = String::new();
        for call in &calls {
            reply = client.ask(&call.split(' ').collect::<Vec<_>>()).await;
        }
        assert_eq!(reply, last, "{calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_slot_spoil_a_transaction_and_nothing_of_it_is_done() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let [one, other, _] = thirds();
    let mut client = client(&sidecar).await;
    for calls in [
        vec![vec!["SET", &one, "1"], vec!["SET", &other, "1"]],
        vec![vec!["SET", &one, "1"], vec!["MGET", &one, &other]],
        vec![vec!["MGET", &one, &other], vec!["SET", &one, "1"]],
        vec![vec!["SET", &one, "1"], vec!["RENAME", &one, &other]],
    ] {
        assert_eq!(client.ask(&["MULTI"]).await, "+OK\r\n");
        let replies = client.pipeline(&calls).await;
        assert!(replies.contains(&CROSSSLOT.to_owned()), "{calls:?}: {replies:?}");
        assert_eq!(client.ask(&["EXEC"]).await, ABORTED, "{calls:?}");
        assert_eq!(client.ask(&["MGET", &one, &other]).await, "*2\r\n$-1\r\n$-1\r\n");
    }
    assert_eq!(client.ask(&["MULTI"]).await, "+OK\r\n");
    assert!(client.ask(&["FLUSHALL"]).await.starts_with("-ERR a transaction is carried out by one shard"));
    assert_eq!(client.ask(&["EXEC"]).await, ABORTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_key_is_watched_at_its_owner_and_other_keys_go_their_way() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let [one, other, third] = thirds();
    let (mut client, mut rival) = (client(&sidecar).await, client(&sidecar).await);
    for (interferes, outcome) in [(true, "*-1\r\n"), (false, "*1\r\n+OK\r\n")] {
        assert_eq!(client.ask(&["SET", &one, "0"]).await, "+OK\r\n");
        assert_eq!(client.ask(&["WATCH", &one]).await, "+OK\r\n");
        assert_eq!(client.ask(&["WATCH", &other]).await, CROSSSLOT);
        assert_eq!(client.ask(&["SET", &other, "1"]).await, "+OK\r\n");
        assert_eq!(client.ask(&["MGET", &one, &other, &third]).await, "*3\r\n$1\r\n0\r\n$1\r\n1\r\n$-1\r\n");
        if interferes {
            assert_eq!(rival.ask(&["SET", &one, "rival"]).await, "+OK\r\n");
        }
        assert_eq!(client.ask(&["MULTI"]).await, "+OK\r\n");
        assert_eq!(client.ask(&["SET", &one, "1"]).await, "+QUEUED\r\n");
        assert_eq!(client.ask(&["EXEC"]).await, outcome);
    }
    assert_eq!(client.ask(&["GET", &one]).await, "$1\r\n1\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_client_waits_at_the_owner_of_its_list() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    for key in thirds() {
        let (mut waiting, mut pushing) = (client(&sidecar).await, client(&sidecar).await);
        waiting.send(&["BLPOP", &key, "0"]).await;
        blocked_at(cluster.primary_of(slot::of(&key)).await).await;
        assert_eq!(pushing.ask(&["RPUSH", &key, "v"]).await, ":1\r\n");
        assert_eq!(waiting.reply().await, format!("*2\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len()));
    }
}

/// Returns when a client is blocked there.
async fn blocked_at(node: &Node) {
    eventually("a client to be blocked", PATIENCE, || async {
        node.redis().info("clients").await["blocked_clients"] == "1"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_client_goes_with_the_slot_that_it_waits_in() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"10m\"").await;
    let (mut waiting, mut pushing) = (client(&sidecar).await, client(&sidecar).await);
    let key = slot::key_in(0..=100, "q");
    waiting.send(&["BLPOP", &key, "0"]).await;
    blocked_at(cluster.primary_of(0).await).await;
    let target = cluster.primary_of(16_383).await;
    cluster.reshard(0..=100, target).await;
    blocked_at(target).await;
    assert_eq!(pushing.ask(&["RPUSH", &key, "v"]).await, ":1\r\n");
    assert_eq!(waiting.reply().await, format!("*2\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len()));
    assert_eq!(waiting.ask(&["GET", "other"]).await, "$-1\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_a_slot_on_the_move_waits_where_it_goes_and_watches_where_it_is() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"10m\"").await;
    let (mut waiting, mut other) = (client(&sidecar).await, client(&sidecar).await);
    let key = slot::key_in(0..=100, "q");
    let target = cluster.primary_of(16_383).await;
    let moving = cluster.begin_move(slot::of(&key), target).await;
    waiting.send(&["BLPOP", &key, "0"]).await;
    blocked_at(target).await;
    assert_eq!(other.ask(&["RPUSH", &key, "v"]).await, ":1\r\n");
    assert_eq!(waiting.reply().await, format!("*2\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len()));
    moving.finish().await;
    // Known here as the old owner's still.
    assert_eq!(other.ask(&["WATCH", &key]).await, "+OK\r\n");
    let replies = other.pipeline(&[vec!["MULTI"], vec!["SET", &key, "1"], vec!["EXEC"]]).await;
    assert_eq!(replies, ["+OK\r\n", "+QUEUED\r\n", "*1\r\n+OK\r\n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_opened_where_its_keys_have_gone_and_where_they_are_going() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"10m\"").await;
    let mut client = client(&sidecar).await;
    let (moved, going) = (slot::key_in(0..=100, "k"), slot::key_in(200..=300, "k"));
    let target = cluster.primary_of(16_383).await;
    cluster.reshard(0..=100, target).await;
    let moving = cluster.begin_move(slot::of(&going), target).await;
    for key in [&moved, &going] {
        let replies = client
            .pipeline(&[vec!["MULTI"], vec!["PING"], vec!["SET", key, "1"], vec!["INCR", key], vec!["EXEC"]])
            .await;
        let queued = "+QUEUED\r\n";
        assert_eq!(replies, ["+OK\r\n", queued, queued, queued, "*3\r\n+PONG\r\n+OK\r\n:2\r\n"], "{key}");
        assert_eq!(client.ask(&["GET", key]).await, "$1\r\n2\r\n");
    }
    moving.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_on_a_slot_that_has_moved_is_not_done_and_the_next_one_is() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"10m\"").await;
    let mut client = client(&sidecar).await;
    let key = slot::key_in(0..=100, "k");
    assert_eq!(client.ask(&["WATCH", &key]).await, "+OK\r\n");
    cluster.reshard(0..=100, cluster.primary_of(16_383).await).await;
    assert_eq!(client.ask(&["MULTI"]).await, "+OK\r\n");
    let told = client.ask(&["SET", &key, "1"]).await;
    assert!(
        told.starts_with("-UNAVAILABLE nothing was done, try again tier=primary outcome=refused reason=moved"),
        "{told}"
    );
    assert_eq!(client.ask(&["EXEC"]).await, ABORTED);
    eventually("the transaction to be carried out at the new owner", PATIENCE, || async {
        let mut client = Client::connect(sidecar.addr()).await;
        let replies = client.pipeline(&[vec!["MULTI"], vec!["SET", &key, "2"], vec!["EXEC"]]).await;
        assert!(!replies.concat().contains("MOVED"), "{replies:?}");
        replies[2] == "*1\r\n+OK\r\n"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_of_resp3_reads_and_writes_everywhere() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let (mut client, mut publisher) = (client(&sidecar).await, client(&sidecar).await);
    client.ask(&["HELLO", "3"]).await;
    assert_eq!(client.ask(&["SUBSCRIBE", "news"]).await, ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    for key in thirds() {
        assert_eq!(client.ask(&["SET", &key, "v"]).await, "+OK\r\n");
        assert_eq!(client.ask(&["GET", &key]).await, "$1\r\nv\r\n");
    }
    publisher.ask(&["PUBLISH", "news", "text"]).await;
    assert_eq!(client.reply().await, ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\ntext\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_channel_is_heard_at_its_owner() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    for channel in thirds() {
        let (mut client, mut publisher) = (client(&sidecar).await, client(&sidecar).await);
        let name = format!("${}\r\n{channel}\r\n", channel.len());
        assert_eq!(client.ask(&["SSUBSCRIBE", &channel]).await, format!("*3\r\n$10\r\nssubscribe\r\n{name}:1\r\n"));
        assert_eq!(publisher.ask(&["SPUBLISH", &channel, "text"]).await, ":1\r\n");
        assert_eq!(client.reply().await, format!("*3\r\n$8\r\nsmessage\r\n{name}$4\r\ntext\r\n"));
        assert_eq!(publisher.ask(&["PUBSUB", "SHARDNUMSUB", &channel]).await, format!("*2\r\n{name}:1\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shard_channels_of_several_shards_are_heard_on_one_connection() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    for (protocol, mark) in [("2", '*'), ("3", '>')] {
        let (mut client, mut publisher) = (client(&sidecar).await, client(&sidecar).await);
        client.ask(&["HELLO", protocol]).await;
        let told = |kind: &str, channel: &str, rest: &str| {
            format!("{mark}3\r\n${}\r\n{kind}\r\n${}\r\n{channel}\r\n{rest}\r\n", kind.len(), channel.len())
        };
        for (index, channel) in thirds().iter().enumerate() {
            let number = format!(":{}", index + 1);
            assert_eq!(client.ask(&["SSUBSCRIBE", channel]).await, told("ssubscribe", channel, &number));
        }
        assert_eq!(client.ask(&["SSUBSCRIBE", &thirds()[0]]).await, told("ssubscribe", &thirds()[0], ":3"));
        for channel in &thirds() {
            assert_eq!(publisher.ask(&["SPUBLISH", channel, "text"]).await, ":1\r\n");
            assert_eq!(client.reply().await, told("smessage", channel, "$4\r\ntext"));
        }
        let pong = if protocol == "2" { "*2\r\n$4\r\npong\r\n$0\r\n\r\n" } else { "+PONG\r\n" };
        assert_eq!(client.ask(&["PING"]).await, pong);
        assert_eq!(client.ask(&["SUNSUBSCRIBE", &thirds()[1]]).await, told("sunsubscribe", &thirds()[1], ":2"));
        assert_eq!(client.ask(&["SUNSUBSCRIBE", &thirds()[1]]).await, told("sunsubscribe", &thirds()[1], ":2"));
        client.send(&["SUNSUBSCRIBE"]).await;
        let mut left = [client.reply().await, client.reply().await].map(|reply| reply.contains(":0\r\n"));
        left.sort_unstable();
        assert_eq!(left, [false, true]);
        assert_eq!(client.ask(&["PING"]).await, "+PONG\r\n");
        assert_eq!(client.ask(&["GET", "k"]).await, if protocol == "2" { "$-1\r\n" } else { "_\r\n" });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_goes_with_its_slot_and_nothing_is_told() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "redis.refresh_interval = \"10m\"").await;
    let (mut client, mut publisher) = (client(&sidecar).await, client(&sidecar).await);
    let channel = slot::key_in(0..=100, "c");
    client.ask(&["SSUBSCRIBE", &channel]).await;
    cluster.reshard(0..=100, cluster.primary_of(16_383).await).await;
    let target = cluster.primary_of(0).await;
    eventually("the subscription to be at the new owner", PATIENCE, || async {
        let count: (String, u64) =
            redis::from_redis_value(target.command(&["PUBSUB", "SHARDNUMSUB", &channel]).await).unwrap();
        count.1 == 1
    })
    .await;
    assert_eq!(publisher.ask(&["SPUBLISH", &channel, "text"]).await, ":1\r\n");
    let name = format!("${}\r\n{channel}\r\n", channel.len());
    assert_eq!(client.reply().await, format!("*3\r\n$8\r\nsmessage\r\n{name}$4\r\ntext\r\n"));
    assert_eq!(client.ask(&["SUNSUBSCRIBE", &channel]).await, format!("*3\r\n$12\r\nsunsubscribe\r\n{name}:0\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_at_a_node_that_dies_is_closed_and_not_left_in_silence() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = client(&sidecar).await;
    let [one, other, _] = thirds();
    client.ask(&["SSUBSCRIBE", &one]).await;
    client.ask(&["SSUBSCRIBE", &other]).await;
    cluster.primary_of(slot::of(&other)).await.kill().await;
    client.0.read_until_closed(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failsoft_is_the_cluster_to_clients_that_know_clusters() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = client(&sidecar).await;
    let slots = client.ask(&["CLUSTER", "SLOTS"]).await;
    let (host, port) = (sidecar.addr().ip().to_string(), sidecar.addr().port());
    let place = format!("*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n${}\r\n{host}\r\n:{port}\r\n$40\r\n", host.len());
    assert!(slots.starts_with(&place), "{slots}");
    for word in ["READONLY", "READWRITE", "ASKING"] {
        assert_eq!(client.ask(&[word]).await, "+OK\r\n");
    }
    let key = slot::key_in(11_000..=16_383, "k");
    assert_eq!(client.ask(&["SET", &key, "v"]).await, "+OK\r\n");
    let number = slot::of(&key).to_string();
    assert_eq!(client.ask(&["CLUSTER", "KEYSLOT", &key]).await, format!(":{number}\r\n"));
    assert_eq!(client.ask(&["CLUSTER", "COUNTKEYSINSLOT", &number]).await, ":1\r\n");
    let listed = client.ask(&["CLUSTER", "GETKEYSINSLOT", &number, "10"]).await;
    assert_eq!(listed, format!("*1\r\n${}\r\n{key}\r\n", key.len()));
    assert!(client.ask(&["CLUSTER", "RESET", "HARD"]).await.starts_with("-ERR CLUSTER RESET would change"));
    assert_eq!(client.ask(&["CLUSTER", "NONSENSE"]).await, "-ERR unknown subcommand 'NONSENSE'. Try CLUSTER HELP.\r\n");
    let announced = before(&cluster, "server.announce = \"redis.example:7000\"").await;
    let slots = Client::connect(announced.addr()).await.ask(&["CLUSTER", "SLOTS"]).await;
    assert!(slots.contains("$13\r\nredis.example\r\n:7000\r\n"), "{slots}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_hold_at_one_node_only_is_refused_and_not_forgotten() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let sidecar = before(&cluster, "").await;
    let mut client = client(&sidecar).await;
    for call in [
        "AUTH someone secret",
        "HELLO 3 AUTH someone secret",
        "CLIENT TRACKING ON",
        "CLIENT REPLY OFF",
        "CLIENT NO-EVICT ON",
        "CLIENT KILL ID 1",
        "CLIENT UNBLOCK 1",
        "WAIT 1 0",
        "SHUTDOWN NOSAVE",
    ] {
        let refused = client.ask(&call.split(' ').collect::<Vec<_>>()).await;
        assert!(
            refused.starts_with("-ERR before a cluster") || refused.starts_with("-ERR this would hold"),
            "{refused}"
        );
        assert_eq!(client.ask(&["SUBSCRIBE", "news"]).await, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
        let again = client.ask(&call.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(again, refused, "{call}");
        client.ask(&["UNSUBSCRIBE"]).await;
    }
    assert_eq!(client.ask(&["CLIENT", "REPLY", "ON"]).await, "+OK\r\n");
    assert_eq!(client.ask(&["MULTI"]).await, "+OK\r\n");
    assert!(client.ask(&["AUTH", "someone", "secret"]).await.starts_with("-ERR before a cluster"));
    assert_eq!(client.ask(&["EXEC"]).await, ABORTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_transaction_or_a_blocking_pop_in_a_pipeline_may_be_at_another_shard() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let sidecar = before(&cluster, "").await;
    let [one, other, third] = thirds();
    let mut client = client(&sidecar).await;
    let transaction = |key| vec![vec!["MULTI"], vec!["INCR", key], vec!["EXEC"]];
    let calls: Vec<_> = [&one, &other, &third].into_iter().flat_map(|key| transaction(key)).collect();
    let answered = client.pipeline(&calls).await;
    assert_eq!(answered, ["+OK\r\n", "+QUEUED\r\n", "*1\r\n:1\r\n"].repeat(3));
    let calls = [vec!["WATCH", &one], vec!["UNWATCH"], vec!["WATCH", &other], vec!["UNWATCH"], vec!["INCR", &third]];
    assert_eq!(client.pipeline(&calls).await, ["+OK\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n", ":2\r\n"]);
    client.ask(&["DEL", &one, &other, &third]).await;
    let calls = [
        vec!["BLPOP", &one, "0.1"],
        vec!["RPUSH", &other, "x"],
        vec!["BLPOP", &other, "0.1"],
        vec!["BLPOP", &third, "0.1"],
        vec!["MULTI"],
        vec!["PING"],
        vec!["EXEC"],
    ];
    let popped = format!("*2\r\n$2\r\n{other}\r\n$1\r\nx\r\n").replace("$2", &format!("${}", other.len()));
    let answered = client.pipeline(&calls).await;
    assert_eq!(answered, ["*-1\r\n", ":1\r\n", &popped, "*-1\r\n", "+OK\r\n", "+QUEUED\r\n", "*1\r\n+PONG\r\n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failsofts_own_commands_are_answered_beside_a_connection_of_its_own_and_refused_in_a_transaction() {
    let cluster = Cluster::start().await;
    let sidecar = before(&cluster, "").await;
    let [first, second, _] = thirds();
    let mut client = client(&sidecar).await;
    let refused = "-ERR FAILSOFT STATE is not allowed in a transaction: Redis does not know it\r\n";
    let replies =
        client.pipeline(&[vec!["MULTI"], vec!["FAILSOFT", "STATE"], vec!["SET", &first, "1"], vec!["EXEC"]]).await;
    assert_eq!(replies, ["+OK\r\n", refused, "+QUEUED\r\n", ABORTED]);
    let replies = client
        .pipeline(&[
            vec!["MULTI"],
            vec!["SET", &first, "1"],
            vec!["FAILSOFT", "STATE"],
            vec!["EXEC"],
            vec!["GET", &first],
        ])
        .await;
    assert_eq!(replies, ["+OK\r\n", "+QUEUED\r\n", refused, ABORTED, "$-1\r\n"]);
    assert_eq!(client.ask(&["WATCH", &first]).await, "+OK\r\n");
    assert_eq!(client.ask(&["SET", &second, "2"]).await, "+OK\r\n");
    let told = client.ask(&["FAILSOFT", "EXPLAIN", "GET", &second]).await;
    assert!(told.contains("reply     what primary replies, byte for byte") && told.contains("slot      "), "{told}");
    assert!(client.ask(&["FAILSOFT", "LAST"]).await.contains("\r\nprimary\r\n"));
    let replies = client.pipeline(&[vec!["MULTI"], vec!["GET", &first], vec!["EXEC"]]).await;
    assert_eq!(replies, ["+OK\r\n", "+QUEUED\r\n", "*1\r\n$-1\r\n"]);
}
