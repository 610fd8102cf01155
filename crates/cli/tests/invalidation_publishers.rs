//! Messages to channels of invalidation routes that cannot be published are kept in their order and published on return;
//! what has to go is told as a gap. And whatever happens, a subscriber receives each message, or a gap after it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::replies::{assert_unavailable, bulk};
use common::{Client, PATIENCE, Settings, Stage};
use failsoft_testkit::cluster::{Cluster, slot};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::proxy::{Mode, Toxics};
use failsoft_testkit::wait::eventually;

const GAP: &str = "failsoft:gap";

fn news(settings: Settings) -> Settings {
    settings.route("keys = 'news:*'\nrole = 'invalidation'")
}

/// Who has subscribed at Redis itself, beyond the proxy.
async fn listener(stage: &Stage, channel: &str) -> Client {
    let mut client = Client::connect(stage.redis.addr()).await;
    assert!(client.ask(&["SUBSCRIBE", channel]).await.contains("subscribe"));
    client
}

/// Redis is gone, and failsoft has noticed: nothing more is sent to it.
async fn kill(stage: &Stage) {
    stage.redis.kill().await;
    eventually("the connection to be gone", PATIENCE, || async {
        stage.count("failsoft_node_connections", &[("tier", "primary")]).await == 0
    })
    .await;
}

/// The payload of the next message.
async fn payload(client: &mut Client) -> String {
    let message = client.reply().await;
    let words: Vec<&str> = message.split("\r\n").collect();
    assert_eq!(words[2], "message", "{message}");
    words[6].to_owned()
}

#[tokio::test]
async fn what_could_not_be_published_is_published_in_order_on_return() {
    let stage = Stage::with(news).await;
    let mut listener = listener(&stage, "news:a").await;
    assert_eq!(stage.ask(&["PUBLISH", "news:a", "before"]).await, ":1\r\n");
    stage.proxy.set_mode(Mode::Refuse).await;
    let mut publisher = stage.client().await;
    for index in 0..200 {
        assert_eq!(publisher.ask(&["PUBLISH", "news:a", &index.to_string()]).await, ":0\r\n");
    }
    assert_eq!(stage.count("failsoft_publish_queue_messages", &[]).await, 200);
    assert!(stage.count("failsoft_publish_queue_bytes", &[]).await > 200);
    stage.proxy.reset_all().await;
    assert_eq!(payload(&mut listener).await, "before");
    for index in 0..200 {
        assert_eq!(payload(&mut listener).await, index.to_string());
    }
    stage.await_count("failsoft_publish_queue_sent_total", &[], 200).await;
    assert_eq!(stage.count("failsoft_publish_queue_messages", &[]).await, 0);
    assert_eq!(publisher.ask(&["PUBLISH", "news:a", "after"]).await, ":1\r\n");
    assert_eq!(payload(&mut listener).await, "after");
}

/// The message may have been heard: it is told again rather than not at all.
#[tokio::test]
async fn what_was_sent_and_not_answered_is_published_again() {
    let stage = Stage::with(news).await;
    let mut listener = listener(&stage, "news:a").await;
    stage.proxy.set_mode(Mode::DropReplies).await;
    assert_eq!(stage.ask(&["PUBLISH", "news:a", "twice"]).await, ":0\r\n");
    stage.proxy.reset_all().await;
    assert_eq!([payload(&mut listener).await, payload(&mut listener).await], ["twice", "twice"]);
}

#[tokio::test]
async fn what_has_to_go_for_newer_messages_is_told_as_a_gap_before_them() {
    let stage = Stage::with(|settings| news(settings).set("publish.queue", "3")).await;
    let (mut a, mut b) = (listener(&stage, "news:a").await, listener(&stage, "news:b").await);
    stage.proxy.set_mode(Mode::Refuse).await;
    for (channel, message) in [("news:a", "1"), ("news:b", "2"), ("news:a", "3"), ("news:b", "4"), ("news:b", "5")] {
        assert_eq!(stage.ask(&["PUBLISH", channel, message]).await, ":0\r\n");
    }
    assert_eq!(stage.count("failsoft_publish_queue_dropped_total", &[("reason", "overflow")]).await, 2);
    stage.proxy.reset_all().await;
    assert_eq!([payload(&mut a).await, payload(&mut a).await], [GAP, "3"]);
    assert_eq!([payload(&mut b).await, payload(&mut b).await, payload(&mut b).await], [GAP, "4", "5"]);
}

#[tokio::test]
async fn what_is_too_old_is_not_published_any_more_and_told_as_a_gap() {
    let stage = Stage::with(|settings| news(settings).set("publish.queue_for", "'1s'")).await;
    let mut listener = listener(&stage, "news:a").await;
    stage.proxy.set_mode(Mode::Refuse).await;
    assert_eq!(stage.ask(&["PUBLISH", "news:a", "old"]).await, ":0\r\n");
    stage.await_count("failsoft_publish_queue_dropped_total", &[("reason", "age")], 1).await;
    stage.proxy.reset_all().await;
    assert_eq!(payload(&mut listener).await, GAP);
}

#[tokio::test]
async fn without_a_queue_the_publisher_is_told_that_nothing_was_done() {
    let stage = Stage::with(|settings| news(settings).set("publish.queue", "0")).await;
    kill(&stage).await;
    assert_unavailable(&stage.ask(&["PUBLISH", "news:a", "x"]).await);
    assert_eq!(stage.count("failsoft_publish_queue_refused_total", &[]).await, 1);
}

#[tokio::test]
async fn other_channels_and_redis_own_refusals_are_told_as_they_are() {
    let stage = Stage::with(news).await;
    stage.redis.command(&["ACL", "SETUSER", "default", "resetchannels", "&news:mine"]).await;
    assert!(stage.ask(&["PUBLISH", "news:a", "x"]).await.starts_with("-NOPERM"));
    assert_eq!(stage.ask(&["PUBLISH", "news:mine", "x"]).await, ":0\r\n");
    stage.redis.command(&["ACL", "SETUSER", "default", "allchannels"]).await;
    kill(&stage).await;
    assert_unavailable(&stage.ask(&["PUBLISH", "other", "x"]).await);
    assert_unavailable(&stage.ask(&["PUBLISH", "user:1", "x"]).await);
    assert_eq!(stage.ask(&["spublish", "news:a", "x"]).await, ":0\r\n");
    assert!(stage.ask(&["PUBLISH", "news:a"]).await.starts_with('-'));
}

#[tokio::test]
async fn what_waits_is_not_lost_by_a_reload() {
    let stage = Stage::with(news).await;
    let mut listener = listener(&stage, "news:a").await;
    stage.proxy.set_mode(Mode::Refuse).await;
    assert_eq!(stage.ask(&["PUBLISH", "news:a", "kept"]).await, ":0\r\n");
    let settings = stage.settings.clone().route("keys = 'more:*'\nrole = 'cache'").set("publish.queue", "7");
    stage.sidecar.reload(&settings.to_string());
    stage.await_count("failsoft_reloads_total", &[], 1).await;
    stage.proxy.reset_all().await;
    assert_eq!(payload(&mut listener).await, "kept");
}

/// What a subscriber has been told, and which of what it was to be told it cannot know of.
struct Ledger {
    heard: Vec<String>,
}

impl Ledger {
    /// Messages after which neither they nor a gap came. `told` are the messages, each with how much had been heard when
    /// it was published.
    fn missing(&self, told: &[(String, usize)]) -> Vec<String> {
        let mut last = BTreeMap::new();
        self.heard.iter().enumerate().for_each(|(index, heard)| {
            last.insert(heard.as_str(), index);
        });
        let gap = last.get(GAP).copied();
        let is_lost = |(message, since): &&(String, usize)| {
            !last.contains_key(message.as_str()) && gap.is_none_or(|gap| gap < *since)
        };
        told.iter().filter(is_lost).map(|(message, _)| message.clone()).collect()
    }
}

/// Publisher and subscriber both go through failsoft, while everything between it and Redis breaks in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_received_or_followed_by_a_gap_whatever_breaks() {
    let stage = Stage::with(news).await;
    let mut subscriber = HostileClient::connect(stage.sidecar.addr()).await;
    subscriber.ask(&["SUBSCRIBE", "news:a"], PATIENCE).await;
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hearing = tokio::spawn({
        let heard = heard.clone();
        async move {
            while let Some(message) = subscriber.next_reply(PATIENCE).await {
                let text = String::from_utf8_lossy(&message).into_owned();
                let payload = text.split("\r\n").nth(6).unwrap_or_default().to_owned();
                let is_last = payload == "last";
                heard.lock().unwrap().push(payload);
                if is_last {
                    return;
                }
            }
            panic!("the subscriber was closed");
        }
    });
    let mut publisher = stage.client().await;
    let mut told = Vec::new();
    for round in 0..10 {
        break_something(&stage, round).await;
        for index in 0..30 {
            let message = format!("{round}:{index}");
            // Published is what the publisher is told is published, or kept.
            let since = heard.lock().unwrap().len();
            let reply = publisher.ask(&["PUBLISH", "news:a", &message]).await;
            assert!(reply.starts_with(':'), "{reply}");
            told.push((message, since));
        }
        mend(&stage).await;
        for index in 0..10 {
            let message = format!("{round}:mended:{index}");
            let since = heard.lock().unwrap().len();
            publisher.ask(&["PUBLISH", "news:a", &message]).await;
            told.push((message, since));
        }
    }
    eventually("all that waits to be published", PATIENCE, || async {
        stage.count("failsoft_publish_queue_messages", &[]).await == 0
            && stage.count("failsoft_subscriptions_lost_total", &[]).await > 0
    })
    .await;
    eventually("the last message to be heard", PATIENCE, || async {
        publisher_of_last(&stage).await;
        hearing.is_finished()
    })
    .await;
    hearing.await.unwrap();
    let ledger = Ledger { heard: heard.lock().unwrap().clone() };
    assert_eq!(ledger.missing(&told), [""; 0], "{:?}", ledger.heard);
    assert!(ledger.heard.iter().any(|heard| heard == GAP));
    assert_eq!(stage.count("failsoft_clients_closed_total", &[("reason", "upstream_lost")]).await, 0);
}

async fn publisher_of_last(stage: &Stage) {
    stage.redis.command(&["PUBLISH", "news:a", "last"]).await;
}

async fn break_something(stage: &Stage, round: usize) {
    match round % 5 {
        0 => {
            stage.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
        1 => stage.proxy.set_mode(Mode::Refuse).await,
        2 => stage.proxy.set_mode(Mode::HalfOpen).await,
        3 => stage.proxy.set_mode(Mode::DropReplies).await,
        _ => {
            stage.proxy.set_toxics(Toxics { slice: Some(1), ..Toxics::default() });
            stage.proxy.cut().await;
        }
    }
}

async fn mend(stage: &Stage) {
    stage.proxy.reset_all().await;
    stage.await_circuit("closed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_away_does_not_hold_up_what_is_published_at_the_others() {
    let cluster = Cluster::start().await;
    let urls: Vec<String> = cluster.urls().iter().map(|url| format!("'{url}'")).collect();
    let settings = Settings::new("redis://127.0.0.1:1")
        .set("redis.topology", "'cluster'")
        .set("redis.nodes", &format!("[{}]", urls.join(", ")));
    let sidecar = common::sidecar(&news(settings)).await;
    let mut publisher = Client::connect(sidecar.addr()).await;
    eventually("the cluster to be known", PATIENCE, || async {
        Client::connect(sidecar.addr()).await.ask(&["SET", "news:x", "v"]).await == "+OK\r\n"
    })
    .await;
    let (dead, alive) = (&slot::key_in(0..=100, "news:d"), &slot::key_in(16_000..=16_383, "news:a"));
    let (dead_primary, alive_primary) = (cluster.primary_of(0).await, cluster.primary_of(16_383).await);
    let mut listener = Client::connect(alive_primary.addr()).await;
    assert!(listener.ask(&["SSUBSCRIBE", alive]).await.contains("ssubscribe"));
    dead_primary.pause();
    assert_eq!(publisher.ask(&["SPUBLISH", dead, "waits"]).await, ":0\r\n");
    let told = publisher.ask(&["SPUBLISH", alive, "goes"]).await;
    assert!([":0\r\n", ":1\r\n"].contains(&told.as_str()), "{told}");
    assert_eq!(listener.reply().await, format!("*3\r\n{}{}{}", bulk("smessage"), bulk(alive), bulk("goes")));
    dead_primary.resume();
    eventually("nothing to wait any more", Duration::from_secs(40), || async {
        sidecar.metric("failsoft_publish_queue_messages", &[]).await == Some(0.0)
    })
    .await;
}
