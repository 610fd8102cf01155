//! Sockets in the file system, towards clients and towards Redis.
#![allow(clippy::unwrap_used)]

mod tools;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use failsoft_testkit::redis::Redis;
use failsoft_testkit::scripts::python;
use failsoft_testkit::sidecar::Sidecar;

use tools::bin;

async fn redis() -> (Redis, String) {
    let redis = Redis::builder().set("unixsocket", "redis.sock").start().await;
    let url = format!("unix://{}", redis.directory().join("redis.sock").display());
    (redis, url)
}

fn settings(redis: &str, more: &str) -> String {
    format!(
        "server.listen = \"off\"\nserver.unix_socket = \"client.sock\"\nserver.admin = \"{{admin}}\"\nserver.threads = 2\n\
         redis.nodes = [\"{redis}\"]\nredis.timeout = \"20s\"\nbreaker.slow_call = \"1m\"\n{more}"
    )
}

#[tokio::test]
async fn redis_py_goes_through_sockets_on_both_sides() {
    let (_redis, url) = redis().await;
    let sidecar = Sidecar::start(bin(), &settings(&url, "request.deadline = \"30s\"\n")).await;
    let socket = sidecar.directory().join("client.sock");
    let arguments = serde_json::json!({ "unix_socket_path": socket }).to_string();
    let output = python(include_str!("clients/redis_py_url.py"), &[&arguments]).await;
    assert!(output.status.success() && output.stdout.contains("fine"), "{}{}", output.stdout, output.stderr);
    let node = format!("unix:{}", url.trim_start_matches("unix://"));
    assert_eq!(sidecar.metric("failsoft_node_connect_failures_total", &[("node", &node)]).await.unwrap_or(0.0), 0.0);
    assert!(sidecar.metric("failsoft_node_connects_total", &[("node", &node)]).await.unwrap() >= 2.0);
}

#[tokio::test]
async fn the_socket_is_the_owners_alone_and_goes_with_the_sidecar() {
    let (_redis, url) = redis().await;
    let sidecar = Sidecar::start(bin(), &settings(&url, "")).await;
    let socket = sidecar.directory().join("client.sock");
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o7777, 0o600);
    UnixStream::connect(&socket).unwrap();
    sidecar.terminate().await;
    assert_eq!(UnixStream::connect(&socket).unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_socket_of_a_killed_sidecar_is_replaced_and_has_the_mode_that_is_set() {
    let (_redis, url) = redis().await;
    let killed = Sidecar::start(bin(), &settings(&url, "")).await;
    let socket = killed.directory().join("client.sock");
    killed.kill().await;
    assert_eq!(UnixStream::connect(&socket).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let more = "server.unix_socket_mode = \"0660\"\n";
    let next = settings(&url, more).replace("client.sock", socket.to_str().unwrap());
    let _next = Sidecar::start(bin(), &next).await;
    UnixStream::connect(&socket).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o7777, 0o660);
}
