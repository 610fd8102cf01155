//! The admin interface as its visitors meet it: over a real socket.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use failsoft::Engine;
use failsoft::settings;
use failsoft_core::circuit::{Evidence, Override};
use failsoft_testkit::http::{self, Response};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Metrics;
use failsoft_testkit::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const CACHE: &str = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\n";
const SESSION: &str = "[[routes]]\nkeys = \"session:*\"\nrole = \"session\"\n";
const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    address: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<()>,
}

async fn serve_settings(text: &str) -> Served {
    let loaded = settings::parse(text, "failsoft.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let shared = Arc::new(Shared::new(Arc::new(Engine::new(loaded.settings, 1).unwrap()), 10_000, None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::default());
    let serving = tokio::spawn(serve(listener, shared.clone(), shutdown.clone()));
    Served { address, shared, shutdown, serving }
}

impl Served {
    async fn get(&self, path: &str) -> Response {
        http::get(self.address, path).await.unwrap_or_else(|| panic!("no answer from {path}"))
    }

    /// Sends `request` as it is and reads to the end.
    async fn say(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Lets the primary's circuit trip, as five failures do.
    fn trip_primary(&self) {
        let (world, _) = self.shared.engine().world();
        let view = world.deployment().view();
        let health = view.nodes()[0].health();
        while let Ok(permit) = health.request_permit(health.now()) {
            health.handle_evidence(permit, Evidence::Failure, health.now());
        }
        assert!(health.is_open());
    }
}

#[tokio::test]
async fn liveness_never_looks_at_redis_nor_at_the_shutdown() {
    let served = serve_settings(SESSION).await;
    served.trip_primary();
    served.shutdown.begin();
    assert_eq!(served.get("/livez").await, Response { status: 200, body: "ok\n".to_owned() });
}

#[tokio::test]
async fn a_cache_stays_ready_without_redis_and_says_that_it_is_degraded() {
    let served = serve_settings(CACHE).await;
    assert_eq!(served.get("/readyz").await, Response { status: 200, body: "ready\n".to_owned() });
    served.trip_primary();
    let told = served.get("/readyz").await;
    assert_eq!((told.status, told.body.as_str()), (200, "ready\ndegraded: primary 127.0.0.1:6379: circuit open\n"));
    let verbose: serde_json::Value = serde_json::from_str(&served.get("/readyz?verbose").await.body).unwrap();
    assert_eq!(verbose["status"], "degraded");
    assert_eq!(verbose["reasons"][0]["subject"], "primary 127.0.0.1:6379");
    assert_eq!(verbose["needing_primary"], serde_json::json!([]));
}

#[tokio::test]
async fn who_needs_the_primary_is_not_ready_without_it() {
    for (role, more) in [("session", ""), ("lock", ""), ("idempotency", ""), ("rate-limit", "on_outage = \"closed\"\n")]
    {
        let served = serve_settings(&format!("{CACHE}[[routes]]\nkeys = \"x:*\"\nrole = \"{role}\"\n{more}")).await;
        assert_eq!(served.get("/readyz").await.status, 200, "{role}");
        served.trip_primary();
        let told = served.get("/readyz?verbose").await;
        assert_eq!(told.status, 503, "{role}");
        assert!(
            told.body.contains("\"unready\"") && told.body.contains("\"needing_primary\":[\"x\"]"),
            "{}",
            told.body
        );
    }
}

#[tokio::test]
async fn nobody_is_ready_while_shutting_down() {
    let served = serve_settings(CACHE).await;
    served.shutdown.begin();
    let told = served.get("/readyz").await;
    assert_eq!((told.status, told.body.as_str()), (503, "not ready\ndegraded: failsoft: shutting down\n"));
}

#[tokio::test]
async fn an_operators_override_is_told_as_one() {
    let served = serve_settings(SESSION).await;
    let view = served.shared.engine().world().0.deployment().view();
    view.nodes()[0].health().set_override(Override::HoldOpen);
    let told = served.get("/readyz").await;
    assert_eq!((told.status, told.body.contains("circuit held open")), (503, true), "{}", told.body);
}

#[tokio::test]
async fn readiness_follows_a_redis_that_goes_and_comes_back() {
    let redis = Redis::start().await;
    let breaker = "[breaker]\ncooldown = \"1s\"\nprobe_cooldown = \"100ms\"\nramp = \"100ms\"\n";
    let served = serve_settings(&format!("[redis]\nnodes = [\"redis://{}\"]\n{breaker}{SESSION}", redis.addr())).await;
    served.shared.engine().start_probes();
    let became = |status: u16| {
        let served = &served;
        eventually("readiness to follow", PATIENCE, move || async move { served.get("/readyz").await.status == status })
    };
    became(200).await;
    redis.kill().await;
    became(503).await;
    let metrics = Metrics::parse(&served.get("/metrics").await.body);
    assert_eq!(metrics.get("redis_cluster_slots_ok", &[]), Some(0.0));
    assert!(metrics.get("failsoft_node_circuit_opened_total", &[]) >= Some(1.0));
    redis.restart().await;
    became(200).await;
}

#[tokio::test]
async fn metrics_and_state_tell_of_the_same_sidecar() {
    let served = serve_settings(CACHE).await;
    served.shared.stats().accepted.add(3);
    served.shared.stats().reloads.increment("refused");
    let metrics = Metrics::parse(&served.get("/metrics").await.body);
    assert_eq!(metrics.get("failsoft_clients_accepted_total", &[]), Some(3.0));
    assert_eq!(metrics.get("failsoft_reloads_total", &[("result", "refused")]), Some(1.0));
    let state: failsoft::telemetry::state::State =
        serde_json::from_str(&served.get("/api/v1/state").await.body).unwrap();
    let [deployment] = &state.deployments[..] else { panic!("{:?}", state.deployments) };
    assert_eq!((deployment.topology.as_str(), deployment.version, deployment.age_seconds), ("standalone", 1, 0.0));
    assert_eq!((deployment.shards.len(), &deployment.shards[0].slots[..]), (1, &[][..]));
    assert_eq!((state.mode.as_str(), state.server.unwrap().accepted), ("auto", 3));
    assert_eq!(state.routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(), ["page", "(plain)"]);
}

#[tokio::test]
async fn answers_say_what_they_are_and_are_not_kept() {
    let served = serve_settings(CACHE).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/livez", "text/plain; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/v1/state", "application/json"),
        ("/readyz?verbose=1", "application/json"),
    ] {
        let answer = served.say(&format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        assert!(answer.contains(&format!("content-type: {kind}\r\n")), "{answer}");
        assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let page = serve_settings(CACHE).await.get("/").await.body;
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(!page.contains("innerHTML"), "names from settings are text");
}

#[tokio::test]
async fn what_is_not_here_or_cannot_be_done_is_said_in_json() {
    let served = serve_settings(CACHE).await;
    let told = served.get("/api/v2").await;
    assert_eq!(told.status, 404);
    assert!(serde_json::from_str::<serde_json::Value>(&told.body).unwrap()["paths"].as_array().unwrap().len() > 3);
    let answer = served.say("POST /livez HTTP/1.0\r\nContent-Length: 0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 405") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn too_large_a_head_is_refused() {
    let served = serve_settings(CACHE).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    // The refusal may come, and the connection be reset, before all has been said.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    assert_eq!(served.get("/livez").await.status, 200);
}

#[tokio::test]
async fn who_asks_too_slowly_is_closed_and_makes_room_for_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(livez::livez));
    let door = Door::with_bounds(listener, Reserve::new(), 1, Duration::from_millis(200));
    tokio::spawn(async move { axum::serve(door, router).await });
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nX: never en").await.unwrap();
    let answered = http::get(address, "/");
    assert_eq!(answered.await.unwrap().status, 200);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[tokio::test]
async fn one_visitor_is_answered_again_and_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let router = Router::new().route("/", get(livez::livez));
    tokio::spawn(async move { axum::serve(Door::new(listener, Reserve::new()), router).await });
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn idle_visitors_are_sent_home_when_the_interface_ends() {
    let served = serve_settings(CACHE).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    served.serving.abort();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_buf(&mut answer)).await;
    assert_eq!(ended.expect("closed well before the patience with idle visitors is over").unwrap(), 0);
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /api/v1/mode HTTP/1.0\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn modes_are_switched_by_json_and_by_nobody_elses_page() {
    let served = serve_settings(&format!("{CACHE}{SESSION}")).await;
    let json = "Host: 127.0.0.1:9180\r\nContent-Type: application/json\r\n";
    let wish = r#"{"mode":"origin-only"}"#;
    for (headers, body, status, told) in [
        ("Host: 127.0.0.1:9180\r\n", wish, 415, "application/json"),
        ("Host: 127.0.0.1:9180\r\nContent-Type: text/plain\r\n", wish, 415, "application/json"),
        (&format!("{json}Origin: http://evil.example\r\n"), wish, 403, "from elsewhere"),
        (&format!("{json}Origin: null\r\n"), wish, 403, "from elsewhere"),
        (
            "Host: evil.example:9180\r\nContent-Type: application/json\r\nOrigin: http://evil.example:9180\r\n",
            wish,
            403,
            "by its address",
        ),
        (json, "", 400, "not a wish"),
        (json, r#"{"mode":"fast"}"#, 400, "no such mode"),
        (json, r#"{"mode":"auto","rout":"page"}"#, 400, "unknown field"),
        (json, r#"{"mode":"auto","route":"pages"}"#, 404, "did you mean 'page'?"),
        (json, r#"{"mode":"origin-only","route":"session"}"#, 409, "its role is session"),
        (json, &format!(r#"{{"mode":"{}"}}"#, "x".repeat(5_000)), 413, ""),
    ] {
        let answer = served.say(&post(headers, body)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.0 {status}")) && answer.contains(told),
            "{headers} {body}: {answer}"
        );
    }
    assert_eq!(
        served.get("/api/v1/mode").await.body,
        r#"{"routes":[{"route":"page","mode":"auto"},{"route":"session","mode":"auto"}]}"#
    );
    let ours = format!("{json}Origin: http://127.0.0.1:9180\r\n");
    let answer = served.say(&post(&ours, wish)).await;
    assert!(answer.ends_with(r#"{"mode":"origin-only","routes":1,"changed":1}"#), "{answer}");
    assert!(served.get("/api/v1/mode").await.body.contains(r#"{"route":"page","mode":"origin-only"}"#));
}
