//! The sidecar's handle, tried on a stand-in for the binary that is a small Python program.
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: &str = "listen = {listen}\nadmin = {admin}\nkeys = user:{id}\nanswer = 1\n";

const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, os, signal, socketserver, sys, threading
assert sys.argv[1:3] == ["serve", "-c"]
def load():
    return dict(line.strip().split(" = ") for line in open(sys.argv[3]))
settings = load()
def reload(*_):
    global settings
    settings = load()
    print("reloaded", file=sys.stderr, flush=True)
def stop(*_):
    print("stopped", file=sys.stderr, flush=True)
    os._exit(7)
signal.signal(signal.SIGHUP, reload)
signal.signal(signal.SIGTERM, stop)
class Redis(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline():
            for _ in range(2): self.rfile.readline()
            self.wfile.write(b"+PONG\r\n")
class Admin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"/livez": "ok", "/metrics": 'answer{key="%s"} %s\n' % (settings["keys"], settings["answer"])}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.get(self.path, self.path).encode())
def at(name):
    host, port = settings[name].split(":")
    return host, int(port)
socketserver.ThreadingTCPServer.allow_reuse_address = True
redis = socketserver.ThreadingTCPServer(at("listen"), Redis)
threading.Thread(target=redis.serve_forever, daemon=True).start()
if settings["answer"] == "crash":
    sys.exit("cannot bear these settings")
http.server.ThreadingHTTPServer(at("admin"), Admin).serve_forever()
"#;

/// A program of this test's own: its file is gone with the returned directory.
fn stand_in() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failsoft");
    fs::write(&path, STAND_IN).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    (directory, path)
}

#[tokio::test]
async fn it_is_started_asked_reloaded_and_terminated() {
    let (_directory, bin) = stand_in();
    let sidecar = Sidecar::start(&bin, SETTINGS).await;
    assert_ne!(sidecar.addr(), sidecar.admin_addr());
    assert_eq!(sidecar.metric("answer", &[("key", "user:{id}")]).await, Some(1.0));
    assert_eq!(sidecar.state().await, "/api/v1/state");
    let mut client = failsoft_testkit::hostile::HostileClient::connect(sidecar.addr()).await;
    assert_eq!(client.ask(&["PING"], PATIENCE).await, "+PONG\r\n");

    sidecar.reload(&SETTINGS.replace("answer = 1", "answer = 2"));
    eventually("the reload", PATIENCE, || async { sidecar.log_contains("reloaded") }).await;
    assert_eq!(sidecar.metric("answer", &[]).await, Some(2.0));
    assert!(fs::read_to_string(sidecar.settings_path()).unwrap().contains("keys = user:{id}"));

    let exit = sidecar.terminate().await;
    assert_eq!(exit.status.code(), Some(7));
    assert!(exit.log.contains("stopped"));
}

#[tokio::test]
async fn a_killed_one_ends_without_a_word() {
    let (_directory, bin) = stand_in();
    let sidecar = Sidecar::start(&bin, SETTINGS).await;
    let exit = sidecar.kill().await;
    assert_eq!(exit.status.code(), None);
    assert!(!exit.log.contains("stopped"));
}

#[tokio::test]
#[should_panic(expected = "the sidecar ended with exit status: 1")]
async fn one_that_ends_at_once_is_told() {
    let (_directory, bin) = stand_in();
    Sidecar::start(&bin, &SETTINGS.replace("answer = 1", "answer = crash")).await;
}
