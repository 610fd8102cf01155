//! The origin serves, fails, hangs and refuses when told, and its counts are of what reached it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::http;
use failsoft_testkit::origin::{HttpOrigin, OriginMode};
use failsoft_testkit::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

async fn got(origin: &HttpOrigin, path: &str) -> Option<(u16, String)> {
    http::get(origin.addr(), path).await.map(|response| (response.status, response.body))
}

#[tokio::test]
async fn it_serves_ids_up_to_a_bound_and_fixed_paths() {
    let origin = HttpOrigin::start().await;
    origin.set_largest_id(42);
    origin.respond("/broken?now", 503, "later");
    let ada = r#"{"id":42,"name":"users 42"}"#.to_owned();
    assert_eq!(got(&origin, "/users/42").await.unwrap(), (200, ada.clone()));
    assert_eq!(ada, HttpOrigin::body_of("users", 42));
    assert_eq!(got(&origin, "/users/43").await.unwrap().0, 404);
    assert_eq!(got(&origin, "/nothing").await.unwrap().0, 404);
    assert_eq!(got(&origin, "/broken?now").await.unwrap(), (503, "later".to_owned()));
    assert_eq!((origin.requests(), origin.requests_for("/users/42"), origin.peak_concurrency()), (4, 1, 1));
    assert!(origin.peak_rate() >= 1);
}

#[tokio::test]
async fn connections_are_kept_alive_and_bodies_skipped() {
    let origin = HttpOrigin::start().await;
    let mut client = HostileClient::connect(origin.addr()).await;
    let request = "POST /users/1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    client.send(request.repeat(2)).await.unwrap();
    client.send("GET /users/1 HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
    let text = String::from_utf8(client.read_until_closed(PATIENCE).await.bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 3);
    assert_eq!(origin.requests_for("/users/1"), 3);
}

#[tokio::test]
async fn it_fails_hangs_refuses_and_recovers() {
    let origin = HttpOrigin::start().await;
    origin.set_mode(OriginMode::Fail(500)).await;
    assert_eq!(got(&origin, "/users/1").await.unwrap().0, 500);

    origin.set_mode(OriginMode::Hang).await;
    let addr = origin.addr();
    let hung: Vec<_> = (0..3).map(|_| tokio::spawn(http::get(addr, "/users/1"))).collect();
    eventually("three requests", PATIENCE, || async { origin.peak_concurrency() == 3 }).await;
    assert!(hung.iter().all(|request| !request.is_finished()));
    origin.set_mode(OriginMode::Answer).await;
    for request in hung {
        assert_eq!(request.await.unwrap().unwrap().status, 200);
    }

    origin.set_mode(OriginMode::Refuse).await;
    assert_eq!(got(&origin, "/users/1").await, None);
    origin.set_mode(OriginMode::Answer).await;
    assert_eq!(got(&origin, "/users/1").await.unwrap().0, 200);
}

#[tokio::test]
async fn latency_makes_requests_overlap() {
    let origin = HttpOrigin::start().await;
    origin.set_latency(Duration::from_millis(200));
    let one = http::get(origin.addr(), "/users/1");
    let two = http::get(origin.addr(), "/users/2");
    let _ = tokio::join!(one, two);
    assert_eq!(origin.peak_concurrency(), 2);
    origin.reset_counts();
    assert_eq!((origin.requests(), origin.peak_concurrency()), (0, 0));
}
