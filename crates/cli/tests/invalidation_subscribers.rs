//! Subscribers of invalidation routes stay when the connection on which they are heard is lost, however it is lost, and are
//! told of the gap: in their protocol, on each of their channels and patterns, and not before they are heard again.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::replies::{assert_unavailable, bulk};
use common::{Client, PATIENCE, Settings, Stage};
use failsoft_testkit::proxy::{Mode, OneShot};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

fn news(settings: Settings) -> Settings {
    settings
        .route("keys = 'news:*'\nrole = 'invalidation'")
        .route("keys = 'odd:*'\nrole = 'invalidation'\ngap_message = 'lost'")
}

async fn stage() -> Stage {
    Stage::with(news).await
}

/// A subscriber's message in RESP2.
fn message(channel: &str, payload: &str) -> String {
    format!("*3\r\n{}{}{}", bulk("message"), bulk(channel), bulk(payload))
}

fn gap(channel: &str) -> String {
    message(channel, "failsoft:gap")
}

fn confirmed(word: &str, channel: &str, total: usize) -> String {
    format!("*3\r\n{}{}:{total}\r\n", bulk(word), bulk(channel))
}

async fn subscriber(stage: &Stage, channel: &str) -> Client {
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["SUBSCRIBE", channel]).await, confirmed("subscribe", channel, 1));
    client
}

/// Publishes until the subscriber hears it; what it has heard before that.
async fn heard_again(stage: &Stage, client: &mut Client, channel: &str) -> Vec<String> {
    stage.redis.command(&["PUBLISH", channel, "again"]).await;
    let mut heard = Vec::new();
    loop {
        let reply = client.reply().await;
        if reply == message(channel, "again") {
            return heard;
        }
        heard.push(reply);
    }
}

#[tokio::test]
async fn whoever_is_closed_by_redis_is_told_of_a_gap_once_and_hears_on() {
    let stage = stage().await;
    let mut client = subscriber(&stage, "news:a").await;
    for _ in 0..3 {
        assert_eq!(heard_again(&stage, &mut client, "news:a").await, [""; 0]);
        stage.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert_eq!(client.reply().await, gap("news:a"));
    }
    assert_eq!(heard_again(&stage, &mut client, "news:a").await, [""; 0]);
}

#[tokio::test]
async fn the_gap_is_told_in_the_clients_protocol_on_every_channel_and_pattern() {
    let stage = stage().await;
    for (protocol, mark) in [("2", '*'), ("3", '>')] {
        let mut client = stage.client().await;
        client.ask(&["HELLO", protocol]).await;
        let subscriptions =
            [("SUBSCRIBE", "news:a"), ("SUBSCRIBE", "odd:b"), ("PSUBSCRIBE", "news:*"), ("SSUBSCRIBE", "news:s")];
        for (word, channel) in subscriptions {
            let told = client.ask(&[word, channel]).await;
            assert!(told.starts_with(&format!("{mark}3\r\n{}", bulk(&word.to_lowercase()))), "{told}");
        }
        stage.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let mut heard = Vec::new();
        for _ in subscriptions {
            heard.push(client.reply().await);
        }
        let told = |kind: &str, channel: &str, payload: &str| {
            format!("{mark}3\r\n{}{}{}", bulk(kind), bulk(channel), bulk(payload))
        };
        let by_pattern =
            format!("{mark}4\r\n{}{}{}{}", bulk("pmessage"), bulk("news:*"), bulk("news:*"), bulk("failsoft:gap"));
        let expected = [
            told("message", "news:a", "failsoft:gap"),
            told("message", "odd:b", "lost"),
            by_pattern,
            told("smessage", "news:s", "failsoft:gap"),
        ];
        assert_eq!(heard, expected);
        stage.redis.command(&["SPUBLISH", "news:s", "x"]).await;
        assert_eq!(client.reply().await, told("smessage", "news:s", "x"));
    }
}

/// Each way to lose a connection, and to have it back.
#[tokio::test]
async fn no_way_of_losing_the_connection_costs_the_client_its_own() {
    let stage = stage().await;
    let mut client = subscriber(&stage, "news:a").await;

    stage.proxy.cut().await;
    assert_eq!(client.reply().await, gap("news:a"));

    stage.redis.kill().await;
    assert_eq!(client.ask(&["PING"]).await, format!("*2\r\n{}{}", bulk("pong"), bulk("")));
    stage.redis.restart().await;
    assert_eq!(client.reply().await, gap("news:a"));

    stage.redis.pause();
    stage.await_count("failsoft_subscriptions_lost_total", &[], 3).await;
    stage.redis.resume();
    assert_eq!(client.reply().await, gap("news:a"));

    stage.proxy.set_mode(Mode::HalfOpen).await;
    stage.await_count("failsoft_subscriptions_lost_total", &[], 4).await;
    stage.proxy.reset_all().await;
    assert_eq!(client.reply().await, gap("news:a"));

    assert_eq!(heard_again(&stage, &mut client, "news:a").await, [""; 0]);
    assert_eq!(stage.count("failsoft_clients_closed_total", &[("reason", "upstream_lost")]).await, 0);
    assert_eq!(stage.count("failsoft_gap_messages_total", &[]).await, 4);
}

/// FAULTS 10, 11, 13 and 14: a message that is cut, or what is none, is not handed on, and is a gap.
#[tokio::test]
async fn what_is_broken_on_its_way_is_a_gap_and_never_a_message() {
    for fault in [OneShot::Truncate { keep: 4 }, OneShot::Reset { after: 4 }, OneShot::Garbage, OneShot::Duplicate] {
        let stage = stage().await;
        let mut client = subscriber(&stage, "news:a").await;
        eventually("the heartbeat to be struck", PATIENCE, || async {
            if stage.proxy.armed() == 0 {
                stage.proxy.once(fault.clone());
            }
            stage.count("failsoft_subscriptions_lost_total", &[]).await > 0
        })
        .await;
        stage.proxy.reset_all().await;
        assert_eq!(client.reply().await, gap("news:a"), "{fault:?}");
        let since = heard_again(&stage, &mut client, "news:a").await;
        assert!(since.iter().all(|reply| *reply == gap("news:a")), "{fault:?}: {since:?}");
    }
}

#[tokio::test]
async fn what_is_asked_for_meanwhile_comes_true_on_return_and_is_told_as_a_gap_then() {
    let stage = stage().await;
    let mut client = subscriber(&stage, "news:a").await;
    client.ask(&["SUBSCRIBE", "news:b"]).await;
    stage.redis.kill().await;
    stage.await_count("failsoft_subscriptions_lost_total", &[], 1).await;
    assert_eq!(client.ask(&["SUBSCRIBE", "news:c"]).await, confirmed("subscribe", "news:c", 3));
    assert_eq!(client.ask(&["UNSUBSCRIBE", "news:b"]).await, confirmed("unsubscribe", "news:b", 2));
    assert_eq!(client.ask(&["PSUBSCRIBE", "news:d*"]).await, confirmed("psubscribe", "news:d*", 3));
    let mut late = subscriber(&stage, "news:late").await;
    stage.redis.restart().await;
    assert_eq!([client.reply().await, client.reply().await], [gap("news:a"), gap("news:c")]);
    assert!(client.reply().await.contains("news:d*"));
    assert_eq!(late.reply().await, gap("news:late"));
    stage.redis.command(&["PUBLISH", "news:b", "left"]).await;
    assert_eq!(heard_again(&stage, &mut client, "news:c").await, [""; 0]);
    assert_eq!(heard_again(&stage, &mut late, "news:late").await, [""; 0]);
}

#[tokio::test]
async fn confirmations_count_as_those_of_redis_do() {
    let stage = stage().await;
    let words = "SUBSCRIBE news:a news:b news:a\nPSUBSCRIBE news:*\nSSUBSCRIBE news:s\nUNSUBSCRIBE news:b news:b news:x\n\
        UNSUBSCRIBE\nPUNSUBSCRIBE news:*\nSUNSUBSCRIBE\nPING\nGET a";
    let commands: Vec<Vec<&str>> = words.lines().map(|line| line.split_whitespace().collect()).collect();
    let (mut through, mut direct) = (stage.client().await, Client::connect(stage.redis.addr()).await);
    for command in &commands {
        through.send(command).await;
        direct.send(command).await;
    }
    for _ in 0..3 + 1 + 1 + 3 + 1 + 1 + 1 + 2 {
        assert_eq!(through.reply().await, direct.reply().await);
    }
}

#[tokio::test]
async fn who_listens_in_resp2_is_refused_what_redis_refuses_it() {
    let stage = stage().await;
    let mut through = subscriber(&stage, "news:a").await;
    let mut direct = Client::connect(stage.redis.addr()).await;
    direct.ask(&["SUBSCRIBE", "news:a"]).await;
    for words in [&["GET", "a"][..], &["CLIENT", "ID"], &["nosuch"], &["MULTI"], &["PING", "x"], &["GET"]] {
        assert_eq!(through.ask(words).await, direct.ask(words).await, "{words:?}");
    }
    let mut third = stage.client().await;
    assert!(third.ask(&["HELLO", "3"]).await.contains("proto"));
    third.ask(&["SUBSCRIBE", "news:a"]).await;
    assert_eq!(third.ask(&["GET", "a"]).await, "_\r\n");
}

#[tokio::test]
async fn who_listens_to_anything_else_too_is_closed_as_redis_would_close_it() {
    let stage = stage().await;
    let lists: [&[&[&str]]; 4] = [
        &[&["SUBSCRIBE", "other"]],
        &[&["SUBSCRIBE", "news:a", "other"]],
        &[&["SUBSCRIBE", "news:a"], &["SUBSCRIBE", "other"]],
        &[&["SUBSCRIBE", "other"], &["SUBSCRIBE", "news:a"]],
    ];
    let mut clients = Vec::new();
    for subscriptions in lists {
        let mut client = stage.client().await;
        for words in subscriptions {
            for word in words.iter().skip(1) {
                client.send(&["PING"]).await;
                assert!(client.reply().await.to_lowercase().contains("pong"), "{word}");
            }
            client.send(words).await;
            for _ in words.iter().skip(1) {
                assert!(client.reply().await.contains("subscribe"));
            }
        }
        clients.push(client);
    }
    stage.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    for mut client in clients {
        client.0.read_until_closed(PATIENCE).await;
    }
    let mut away = stage.client().await;
    stage.redis.kill().await;
    assert_unavailable(&away.ask(&["SUBSCRIBE", "news:a", "other"]).await);
    away.ask(&["SUBSCRIBE", "news:a"]).await;
    assert_unavailable(&away.ask(&["SUBSCRIBE", "other"]).await);
}

#[tokio::test]
async fn who_may_not_listen_any_more_is_closed_and_not_left_in_silence() {
    let redis = Redis::start().await;
    redis.acl_user("app", "secret", "~* +@all &*").await;
    let url = redis.url_of("app", "secret");
    let stage = Stage::on(redis, |settings| news(settings.set("redis.nodes", &format!("['{url}']")))).await;
    let mut client = subscriber(&stage, "news:a").await;
    stage.redis.command(&["ACL", "SETUSER", "app", "resetchannels", "&news:b"]).await;
    assert_eq!(client.0.read_until_closed(PATIENCE).await.bytes, b"");
    let mut other = stage.client().await;
    assert!(other.ask(&["SUBSCRIBE", "news:a"]).await.starts_with("-NOPERM"));
    assert_eq!(other.ask(&["SUBSCRIBE", "news:b"]).await, confirmed("subscribe", "news:b", 1));
}

/// Redis closes a subscriber that it cannot get rid of its messages to.
#[tokio::test]
async fn an_output_buffer_that_runs_over_at_redis_is_a_gap() {
    let stage = stage().await;
    let mut client = subscriber(&stage, "news:a").await;
    stage.redis.config_set("client-output-buffer-limit", "pubsub 64kb 64kb 1").await;
    stage.redis.command(&["PUBLISH", "news:a", &"x".repeat(1 << 20)]).await;
    assert_eq!(client.reply().await, gap("news:a"));
    assert_eq!(heard_again(&stage, &mut client, "news:a").await, [""; 0]);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_subscriptions_with_it() {
    let stage = stage().await;
    let client = subscriber(&stage, "news:a").await;
    let listeners = || async {
        let (_, count): (String, u64) =
            redis::from_redis_value(stage.redis.command(&["PUBSUB", "NUMSUB", "news:a"]).await).unwrap();
        count
    };
    assert_eq!(listeners().await, 1);
    drop(client);
    eventually("nobody to listen", PATIENCE, || async { listeners().await == 0 }).await;
    let mut other = subscriber(&stage, "news:a").await;
    assert_eq!(other.ask(&["RESET"]).await, "+RESET\r\n");
    eventually("nobody to listen", PATIENCE, || async { listeners().await == 0 }).await;
    assert!(other.0.is_silent(Duration::from_millis(50)).await);
}
