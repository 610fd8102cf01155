//! Flags while Redis is away: the last known value, then the origin, then the default; kept although other traffic would
//! push it out of memory; with a version by which instances see that they mean the same. Writes fail closed.
#![allow(clippy::unwrap_used)]

mod common;

use common::replies::{assert_error, assert_unavailable, bulk};
use common::{PATIENCE, Settings, Stage};
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::wait::eventually;

fn flags(settings: Settings) -> Settings {
    settings.route("keys = 'flag:*'\nrole = 'flag'").route("keys = 'dark:*'\nrole = 'flag'\ndefault = 'off'")
}

/// A flag's value, tier and version; its age is whatever it is.
async fn flag(stage: &Stage, words: &[&str]) -> (Option<String>, String, Option<String>) {
    let reply = stage.ask(&[&["FAILSOFT", "FLAG"], words].concat()).await;
    let mut words = reply.strip_prefix("*4\r\n").unwrap_or_else(|| panic!("{reply}")).split("\r\n");
    let mut next = || match words.next().unwrap() {
        "$-1" => None,
        _ => words.next().map(str::to_owned),
    };
    let (value, version, tier) = (next(), next(), next().unwrap());
    (value, tier, version)
}

async fn value_of(stage: &Stage, words: &[&str]) -> (Option<String>, String) {
    let (value, tier, _) = flag(stage, words).await;
    (value, tier)
}

fn told(value: &str, tier: &str) -> (Option<String>, String) {
    (Some(value.to_owned()), tier.to_owned())
}

async fn away(stage: &Stage) {
    stage.redis.kill().await;
    eventually("the connection to be gone", PATIENCE, || async {
        stage.count("failsoft_node_connections", &[("tier", "primary")]).await == 0
    })
    .await;
}

#[tokio::test]
async fn the_last_known_value_is_served_however_long_ago_it_was_fresh() {
    let stage = Stage::with(|settings| flags(settings).set("local.ttl", "'10ms'")).await;
    stage.put("flag:a", "on").await;
    assert_eq!(stage.get("flag:a").await, bulk("on"));
    assert_eq!(value_of(&stage, &["flag:a"]).await, told("on", "primary"));
    away(&stage).await;
    eventually("the copy to be old", PATIENCE, || async {
        stage.get("flag:a").await;
        stage.count("failsoft_stale_answers_total", &[]).await > 0
    })
    .await;
    assert_eq!(stage.get("flag:a").await, bulk("on"));
    assert_eq!(value_of(&stage, &["flag:a", "fallback"]).await, told("on", "local"));
}

/// A copy that is young is not made again, but for flags: what was seen last counts, not what was seen first.
#[tokio::test]
async fn what_was_seen_last_is_what_is_known() {
    let stage = Stage::with(flags).await;
    for value in ["on", "off"] {
        stage.put("flag:a", value).await;
        assert_eq!(stage.get("flag:a").await, bulk(value));
    }
    stage.put("flag:b", "on").await;
    assert_eq!(stage.get("flag:b").await, bulk("on"));
    stage.redis.command(&["DEL", "flag:b"]).await;
    assert_eq!(stage.get("flag:b").await, "$-1\r\n");
    away(&stage).await;
    assert_eq!(stage.get("flag:a").await, bulk("off"));
    assert_eq!(stage.get("flag:b").await, "$-1\r\n");
    assert_eq!(flag(&stage, &["flag:b"]).await, (None, "local".to_owned(), None));
    assert_eq!(value_of(&stage, &["flag:b", "given"]).await, told("given", "default"));
}

#[tokio::test]
async fn what_nobody_knows_is_the_default_of_the_route_then_of_the_caller_and_else_an_error() {
    let stage = Stage::with(flags).await;
    assert_eq!(flag(&stage, &["dark:a"]).await, (None, "primary".to_owned(), None));
    assert_eq!(value_of(&stage, &["dark:b", "given"]).await, told("given", "default"));
    away(&stage).await;
    assert_eq!(value_of(&stage, &["dark:c", "given"]).await, told("off", "default"));
    assert_eq!(value_of(&stage, &["flag:c", "given"]).await, told("given", "default"));
    assert_unavailable(&stage.ask(&["FAILSOFT", "FLAG", "flag:c"]).await);
    assert_unavailable(&stage.get("flag:c").await);
}

#[tokio::test]
async fn the_last_known_value_comes_before_the_origin() {
    let origin = HttpOrigin::start().await;
    let url = origin.url();
    let stage = Stage::with(|settings| {
        let settings = settings.origin("made", &url).set("local.ttl", "'10ms'");
        settings.route("keys = 'made:{id}'\nrole = 'flag'\norigin = 'made'\nget = '/users/{id}'\nshape = 'raw'")
    })
    .await;
    stage.put("made:1", "known").await;
    assert_eq!(stage.get("made:1").await, bulk("known"));
    away(&stage).await;
    eventually("the copy to be old", PATIENCE, || async {
        assert_eq!(stage.get("made:1").await, bulk("known"));
        stage.count("failsoft_stale_answers_total", &[]).await > 0
    })
    .await;
    assert_eq!(stage.get("made:2").await, bulk(&HttpOrigin::body_of("users", 2)));
}

/// Flags are few, and have to be there in the outage: what else is read does not push them out.
#[tokio::test]
async fn a_flag_is_kept_whatever_else_is_read() {
    let stage = Stage::with(|settings| flags(settings).set("local.capacity", "'256KiB'")).await;
    stage.put("flag:a", "on").await;
    assert_eq!(stage.get("flag:a").await, bulk("on"));
    let mut client = stage.client().await;
    let page = "x".repeat(4 << 10);
    for round in 0..2 {
        for index in 0..200 {
            let key = format!("page:{index}");
            if round == 0 {
                stage.put(&key, &page).await;
            }
            assert_eq!(client.get(&key).await, bulk(&page));
        }
    }
    assert!(stage.count("failsoft_local_bytes", &[]).await <= 256 << 10);
    assert!(stage.count("failsoft_local_flag_bytes", &[]).await > 0);
    away(&stage).await;
    assert_eq!(stage.get("flag:a").await, bulk("on"));
}

#[tokio::test]
async fn writes_of_flags_fail_closed_and_void_what_is_known() {
    let stage = Stage::with(flags).await;
    stage.put("flag:a", "on").await;
    assert_eq!(stage.get("flag:a").await, bulk("on"));
    assert_eq!(stage.ask(&["SET", "flag:a", "off"]).await, "+OK\r\n");
    assert_eq!(value_of(&stage, &["flag:a"]).await, told("off", "primary"));
    away(&stage).await;
    assert_unavailable(&stage.ask(&["SET", "flag:b", "on"]).await);
    assert_unavailable(&stage.ask(&["DEL", "flag:b"]).await);
    assert_eq!(stage.get("flag:a").await, bulk("off"));
}

#[tokio::test]
async fn the_same_value_has_the_same_version_everywhere_and_another_has_another() {
    let stage = Stage::with(flags).await;
    let other = common::sidecar(&flags(Settings::new(&stage.redis.url()))).await;
    stage.put("flag:a", "on").await;
    let (_, _, version) = flag(&stage, &["flag:a"]).await;
    let there = common::Client::connect(other.addr()).await.ask(&["FAILSOFT", "FLAG", "flag:a"]).await;
    assert!(there.contains(&version.clone().unwrap()), "{there} {version:?}");
    away(&stage).await;
    assert_eq!(flag(&stage, &["flag:a"]).await, (Some("on".to_owned()), "local".to_owned(), version.clone()));
    assert_ne!(flag(&stage, &["flag:x", "off"]).await.2, version);
}

#[tokio::test]
async fn the_command_is_for_flags_and_refuses_what_it_cannot_read() {
    let stage = Stage::with(flags).await;
    for (words, error) in [
        (&["FAILSOFT", "FLAG"][..], "ERR"),
        (&["FAILSOFT", "FLAG", "flag:a", "b", "c"], "ERR"),
        (&["FAILSOFT", "FLAG", "user:1"], "ERR"),
        (&["FAILSOFT", "FLAG", "nobodys"], "ERR"),
    ] {
        assert_error(&stage.ask(words).await, error);
    }
    assert!(stage.ask(&["FAILSOFT", "FLAG", "user:1"]).await.contains("needs a route with role flag"));
    stage.redis.command(&["RPUSH", "flag:list", "x"]).await;
    assert_error(&stage.ask(&["FAILSOFT", "FLAG", "flag:list", "given"]).await, "WRONGTYPE");
}
