//! TLS towards clients: who comes in, who does not, and what changes while they are in.
#![allow(clippy::unwrap_used)]

mod tls;
mod tools;

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use failsoft::tls::IdentityFiles;
use failsoft_testkit::certificates::{Authority, Leaf};
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::port::FreePort;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::scripts::python;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::net::TcpStream;

use tls::{Pki, SecureRedis, TlsClient};
use tools::{PATIENCE, bin, command, metric, reaches};

const HANDSHAKES: &str = "failsoft_clients_tls_handshakes_total";
const DAY: Duration = Duration::from_hours(24);

/// A sidecar with a door for TLS, before a Redis.
struct Stage {
    pki: Pki,
    identity: IdentityFiles,
    door: FreePort,
    sidecar: Sidecar,
    _redis: Redis,
}

impl Stage {
    async fn start(clients: &str) -> Self {
        Self::with(Leaf::for_name("127.0.0.1"), clients).await
    }

    /// Shows a certificate like `leaf`; `clients` are further lines of `[server.tls]`, with `{ca}` for the authority.
    async fn with(leaf: Leaf, clients: &str) -> Self {
        let (pki, redis, door) = (Pki::new(), Redis::start().await, FreePort::reserve());
        let identity = pki.issue("server", leaf);
        let more = format!("server.tls_listen = \"{}\"\n", door.addr());
        let extra = clients.replace("{ca}", pki.ca.to_str().unwrap());
        let table = pki.table("server.tls", None, Some(&identity), &extra);
        let sidecar = tools::start(&redis.url(), &format!("{more}{table}")).await;
        Self { pki, identity, door, sidecar, _redis: redis }
    }

    async fn client(&self, identity: Option<&IdentityFiles>) -> std::io::Result<TlsClient> {
        TlsClient::connect(self.door.addr(), &self.pki.ca, identity).await
    }

    /// With TLS 1.3 a client thinks itself in before its certificate has been looked at: asking shows it.
    async fn ping(&self, identity: Option<&IdentityFiles>) -> std::io::Result<String> {
        self.client(identity).await?.ask(&["PING"]).await
    }

    async fn handshakes(&self, result: &str) -> f64 {
        metric(&self.sidecar, HANDSHAKES, &[("result", result)]).await
    }
}

#[tokio::test]
async fn redis_py_goes_over_tls_on_both_sides() {
    let pki = Pki::new();
    let (identity, door) = (pki.issue_local("server"), FreePort::reserve());
    let redis = SecureRedis::start(&pki.issue_local("redis"), &pki.ca, "no").await;
    let settings = format!(
        "server.listen = \"off\"\nserver.tls_listen = \"{}\"\nserver.admin = \"{{admin}}\"\nserver.threads = 2\n\
         redis.nodes = [\"{}\"]\nredis.timeout = \"20s\"\nbreaker.slow_call = \"1m\"\nrequest.deadline = \"30s\"\n{}{}",
        door.addr(),
        redis.url(),
        pki.table("server.tls", None, Some(&identity), ""),
        pki.table("redis.tls", Some(("ca", &pki.ca)), None, ""),
    );
    let sidecar = Sidecar::start(bin(), &settings).await;
    let arguments = serde_json::json!({
        "host": "127.0.0.1", "port": door.number(),
        "ssl": true, "ssl_ca_certs": pki.ca, "ssl_check_hostname": true,
    });
    let output = python(include_str!("clients/redis_py_url.py"), &[&arguments.to_string()]).await;
    assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
    assert!(metric(&sidecar, HANDSHAKES, &[("result", "done")]).await >= 1.0);
}

#[tokio::test]
async fn a_client_needs_no_certificate_unless_it_is_asked_for_one() {
    let stage = Stage::start("").await;
    assert_eq!(stage.ping(None).await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn where_certificates_are_required_nobody_comes_in_without_a_good_one() {
    let stage = Stage::start("client_ca = \"{ca}\"").await;
    let good = stage.pki.issue("good", Leaf::for_name("a-client"));
    let expired = stage.pki.issue("expired", Leaf::for_name("a-client").valid_until((2020, 1, 1)));
    let other = Authority::new("other").issue(Leaf::for_name("a-client")).write(stage.pki.folder.path(), "other");
    let other = IdentityFiles { cert: other.0, key: other.1 };
    assert_eq!(stage.ping(Some(&good)).await.unwrap(), "+PONG\r\n");
    assert!(stage.ping(None).await.is_err());
    assert!(stage.ping(Some(&expired)).await.is_err());
    assert!(stage.ping(Some(&other)).await.is_err());
    reaches(&stage.sidecar, HANDSHAKES, &[("result", "bad_certificate")], 2.0).await;
    reaches(&stage.sidecar, HANDSHAKES, &[("result", "no_certificate")], 1.0).await;
    assert_eq!(stage.handshakes("done").await, 1.0);
    assert!(stage.sidecar.log_contains("a client has not come in over TLS"));
}

#[tokio::test]
async fn where_certificates_are_optional_a_wrong_one_is_worse_than_none() {
    let stage = Stage::start("client_ca = \"{ca}\"\nclient_certificates = \"optional\"").await;
    let other = Authority::new("other").issue(Leaf::for_name("a-client")).write(stage.pki.folder.path(), "other");
    assert_eq!(stage.ping(None).await.unwrap(), "+PONG\r\n");
    assert!(stage.ping(Some(&IdentityFiles { cert: other.0, key: other.1 })).await.is_err());
    reaches(&stage.sidecar, HANDSHAKES, &[("result", "bad_certificate")], 1.0).await;
}

/// Row 57: neither side may wait for the other's answer, and nobody is served in the clear instead.
#[tokio::test]
async fn who_speaks_plainly_at_the_tls_door_and_tls_at_the_plain_one_is_let_go_at_once() {
    let stage = Stage::start("").await;
    let mut plain = HostileClient::connect(stage.door.addr()).await;
    plain.send(command(&["PING"])).await.unwrap();
    let answer = plain.read_until_closed(PATIENCE).await.bytes;
    assert!(!answer.windows(4).any(|bytes| bytes == b"PONG"), "{answer:?}");
    reaches(&stage.sidecar, HANDSHAKES, &[("result", "not_spoken")], 1.0).await;

    let misplaced = TlsClient::connect(stage.sidecar.addr(), &stage.pki.ca, None).await.err().unwrap();
    assert_eq!(misplaced.kind(), ErrorKind::UnexpectedEof);
    let closed = [("reason", "tls_on_plain_door")];
    reaches(&stage.sidecar, "failsoft_clients_closed_total", &closed, 1.0).await;
    assert_eq!(stage.handshakes("done").await, 0.0);
}

#[tokio::test]
async fn a_client_that_says_nothing_at_the_tls_door_is_let_go_after_a_while() {
    let stage = Stage::start("").await;
    let _silent = TcpStream::connect(stage.door.addr()).await.unwrap();
    reaches(&stage.sidecar, HANDSHAKES, &[("result", "timeout")], 1.0).await;
    reaches(&stage.sidecar, "failsoft_clients_closed_total", &[("reason", "tls_handshake")], 1.0).await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_those_who_come_and_those_who_are_there_stay() {
    let stage = Stage::start("").await;
    let mut old = stage.client(None).await.unwrap();
    assert_eq!(old.ask(&["PING"]).await.unwrap(), "+PONG\r\n");

    let next = Authority::new("next");
    let next_ca = next.write(stage.pki.folder.path(), "next");
    next.issue(Leaf::for_name("127.0.0.1")).write(stage.pki.folder.path(), "server");
    eventually("the next certificate to be shown", PATIENCE, || async {
        TlsClient::connect(stage.door.addr(), &next_ca, None).await.is_ok()
    })
    .await;
    assert!(stage.client(None).await.is_err(), "nobody is shown the old certificate any more");
    assert_eq!(old.ask(&["ECHO", "still"]).await.unwrap(), "$5\r\nstill\r\n");

    fs::write(&stage.identity.key, "no key").unwrap();
    reaches(&stage.sidecar, "failsoft_tls_certificate_reloads_total", &[("result", "refused")], 1.0).await;
    assert!(stage.sidecar.log_contains("there is no private key in this file"));
    TlsClient::connect(stage.door.addr(), &next_ca, None).await.unwrap();
    assert_eq!(old.ask(&["PING"]).await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_certificate_that_is_about_to_expire_is_told_in_time() {
    let stage = Stage::with(Leaf::for_name("127.0.0.1").valid_for(DAY * 10), "").await;
    eventually("the warning", PATIENCE, || async { stage.sidecar.log_contains("a certificate expires soon") }).await;
    let expiry = "failsoft_tls_certificate_expiry_timestamp_seconds";
    let at = stage.sidecar.metric(expiry, &[("use", "server")]).await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let days = (at - now) / DAY.as_secs_f64();
    assert!((9.0..=10.0).contains(&days), "{days} days are left");
}
