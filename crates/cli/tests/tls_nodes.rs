//! TLS towards Redis: a node that cannot prove who it is gets nothing, and everybody hears why. Row 57.
#![allow(clippy::unwrap_used)]

mod tls;
mod tools;

use std::path::Path;

use failsoft::tls::IdentityFiles;
use failsoft_testkit::certificates::{Authority, Leaf};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tls::{Pki, SecureRedis};
use tools::{PATIENCE, ask_all, command, reaches, shown};

const FAILURES: &str = "failsoft_node_connect_failures_total";

async fn sidecar(pki: &Pki, url: &str, ca: Option<&Path>, identity: Option<&IdentityFiles>, extra: &str) -> Sidecar {
    let more = format!("redis.connect_timeout = \"2s\"\nrequest.deadline = \"20s\"\n{}", {
        pki.table("redis.tls", ca.map(|ca| ("ca", ca)), identity, extra)
    });
    tools::start(url, &more).await
}

async fn get(sidecar: &Sidecar) -> String {
    shown(&ask_all(sidecar.addr(), 1, &[command(&["GET", "k"])]).await[0])
}

/// The node is not used, `reason` is counted and logged with the node's name, and the client hears it too.
async fn assert_refused(sidecar: &Sidecar, reason: &str, sentence: &str) {
    reaches(sidecar, FAILURES, &[("tier", "primary"), ("reason", reason)], 1.0).await;
    eventually("the log", PATIENCE, || async { sidecar.log_contains(sentence) }).await;
    let reply = get(sidecar).await;
    assert!(reply.starts_with("-UNAVAILABLE"), "{reply}");
}

#[tokio::test]
async fn a_node_that_proves_who_it_is_is_spoken_to_and_shown_a_certificate_where_it_asks() {
    let pki = Pki::new();
    let redis = SecureRedis::start(&pki.issue_local("redis"), &pki.ca, "yes").await;
    let ours = pki.issue("ours", Leaf::for_name("failsoft"));
    let sidecar = sidecar(&pki, &redis.url(), Some(&pki.ca), Some(&ours), "").await;
    redis.redis.command(&["SET", "k", "value"]).await;
    assert_eq!(get(&sidecar).await, "$5\r\nvalue\r\n");
    let expiries = sidecar.metrics().await;
    for of in ["redis_ca", "redis_client"] {
        assert!(expiries.get("failsoft_tls_certificate_expiry_timestamp_seconds", &[("use", of)]).is_some(), "{of}");
    }
}

#[tokio::test]
async fn a_node_with_another_name_is_not_spoken_to_unless_that_name_is_expected() {
    let pki = Pki::new();
    let redis = SecureRedis::start(&pki.issue("redis", Leaf::for_name("redis.test")), &pki.ca, "no").await;
    let surprised = sidecar(&pki, &redis.url(), Some(&pki.ca), None, "").await;
    assert_refused(&surprised, "tls_wrong_name", "its certificate is for another name").await;
    let expecting = sidecar(&pki, &redis.url(), Some(&pki.ca), None, "server_name = \"redis.test\"").await;
    assert_eq!(get(&expecting).await, "$-1\r\n");
}

#[tokio::test]
async fn a_node_whose_certificate_is_of_the_past_or_the_future_is_not_spoken_to() {
    let pki = Pki::new();
    let expired = pki.issue("expired", Leaf::for_name("127.0.0.1").valid_until((2020, 1, 1)));
    let early = pki.issue("early", Leaf::for_name("127.0.0.1").valid_from((2090, 1, 1)));
    for (identity, reason, sentence) in [
        (expired, "tls_expired", "its certificate has expired"),
        (early, "tls_not_yet_valid", "its certificate is not valid yet"),
    ] {
        let redis = SecureRedis::start(&identity, &pki.ca, "no").await;
        let sidecar = sidecar(&pki, &redis.url(), Some(&pki.ca), None, "").await;
        assert_refused(&sidecar, reason, sentence).await;
    }
}

#[tokio::test]
async fn a_node_that_nobody_trusted_vouches_for_is_not_spoken_to() {
    let pki = Pki::new();
    let redis = SecureRedis::start(&pki.issue_local("redis"), &pki.ca, "no").await;
    let other = Authority::new("other").write(pki.folder.path(), "other");
    let sidecar = sidecar(&pki, &redis.url(), Some(&other), None, "").await;
    assert_refused(&sidecar, "tls_unknown_authority", "nobody who is trusted has signed its certificate").await;
}

#[tokio::test]
async fn a_node_that_misses_our_certificate_says_so() {
    let pki = Pki::new();
    let redis = SecureRedis::start(&pki.issue_local("redis"), &pki.ca, "yes").await;
    let sidecar = sidecar(&pki, &redis.url(), Some(&pki.ca), None, "").await;
    assert_refused(&sidecar, "tls_not_accepted", "it does not accept failsoft's certificate").await;
}

/// What would be a downgrade is none: the Redis at that port would answer if it were asked in the clear.
#[tokio::test]
async fn a_node_that_speaks_no_tls_is_not_spoken_to_without() {
    let pki = Pki::new();
    let redis = Redis::start().await;
    redis.command(&["SET", "k", "value"]).await;
    let url = format!("rediss://{}", redis.addr());
    let sidecar = sidecar(&pki, &url, Some(&pki.ca), None, "").await;
    eventually("a failure of TLS", PATIENCE, || async {
        let metrics = sidecar.metrics().await;
        ["tls_not_spoken", "tls_timeout", "tls_lost"]
            .iter()
            .any(|reason| metrics.get(FAILURES, &[("tier", "primary"), ("reason", reason)]).is_some())
    })
    .await;
    let reply = get(&sidecar).await;
    assert!(reply.starts_with("-UNAVAILABLE"), "{reply}");
}

/// Redis closes such a connection without a word, so there is no more to be told than that.
#[tokio::test]
async fn a_node_that_speaks_tls_where_none_was_asked_for_counts_as_refusing() {
    let pki = Pki::new();
    let redis = SecureRedis::start(&pki.issue_local("redis"), &pki.ca, "no").await;
    let sidecar = tools::start(&redis.url().replace("rediss", "redis"), "").await;
    reaches(&sidecar, FAILURES, &[("tier", "primary"), ("reason", "connect_refused")], 1.0).await;
    assert!(get(&sidecar).await.starts_with("-UNAVAILABLE"));
}

#[tokio::test]
async fn a_renewed_authority_is_believed_without_a_restart_and_a_broken_one_is_refused() {
    let pki = Pki::new();
    let next = Authority::new("next");
    let (cert, key) = next.issue(Leaf::for_name("127.0.0.1")).write(pki.folder.path(), "redis");
    let redis = SecureRedis::start(&IdentityFiles { cert, key }, &pki.ca, "no").await;
    let sidecar = sidecar(&pki, &redis.url(), Some(&pki.ca), None, "").await;
    assert_refused(&sidecar, "tls_unknown_authority", "nobody who is trusted has signed its certificate").await;

    std::fs::write(&pki.ca, "not an authority").unwrap();
    reaches(&sidecar, "failsoft_tls_certificate_reloads_total", &[("result", "refused")], 1.0).await;
    assert!(sidecar.log_contains("there is no certificate in this file"));
    std::fs::write(&pki.ca, next.pem()).unwrap();
    eventually("Redis to be believed", PATIENCE, || async { get(&sidecar).await == "$-1\r\n" }).await;
    assert!(sidecar.log_contains("there is a connection to the node again"));
}

/// A connection that belongs to one client is made as every other is, also when the client says who it is.
#[tokio::test]
async fn clients_own_connections_are_over_tls_too() {
    const LARGE: usize = 4 << 20;
    let pki = Pki::new();
    let redis = SecureRedis::start(&pki.issue_local("redis"), &pki.ca, "no").await;
    redis.redis.acl_user("ann", "apple", "~* &* +@all").await;
    let sidecar = sidecar(&pki, &redis.url(), Some(&pki.ca), None, "").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let large = "x".repeat(LARGE);
    for words in [&["AUTH", "ann", "apple"][..], &["MULTI"]] {
        assert_eq!(client.ask(words, PATIENCE).await, "+OK\r\n", "{words:?}");
    }
    for words in [&["SET", "k", &large][..], &["GET", "k"]] {
        assert_eq!(client.ask(words, PATIENCE).await, "+QUEUED\r\n");
    }
    let answer = client.ask(&["EXEC"], PATIENCE).await;
    assert!(answer == format!("*2\r\n+OK\r\n${LARGE}\r\n{large}\r\n"), "{} bytes", answer.len());
    assert_eq!(client.ask(&["RESET"], PATIENCE).await, "+RESET\r\n");
    assert!(client.ask(&["SUBSCRIBE", "news"], PATIENCE).await.contains("subscribe"));
    for round in 0..100 {
        redis.redis.command(&["PUBLISH", "news", &round.to_string()]).await;
        let message = shown(client.read_reply(PATIENCE).await);
        assert!(message.ends_with(&format!("\r\n{round}\r\n")), "{message}");
    }
}
