//! The demo as somebody types it: a short one keeps every promise, and none leaves anything behind.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use failsoft_testkit::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const CLUSTER: [&str; 9] = [
    "warm",
    "healthy",
    "primary killed",
    "slots moving",
    "primary paused",
    "all killed",
    "restarted",
    "emptied",
    "recovered",
];

const STANDALONE: [&str; 8] =
    ["warm", "healthy", "primary killed", "both killed", "restarted", "primary paused", "restored empty", "recovered"];

/// The shares of the tiers in a phase, and what else was seen in it.
struct Report(Value);

impl Report {
    fn of(output: &Output) -> Self {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)));
        assert_eq!(report["broken"], serde_json::json!([]), "{}", said(output));
        assert_eq!(output.status.code(), Some(0));
        Self(report)
    }

    fn phases(&self) -> &[Value] {
        self.0["phases"].as_array().unwrap()
    }

    fn names(&self) -> Vec<&str> {
        self.phases().iter().map(|phase| phase["phase"].as_str().unwrap()).collect()
    }

    fn phase(&self, name: &str) -> &Value {
        self.phases().iter().find(|phase| phase["phase"] == name).unwrap()
    }

    fn share(&self, phase: &str, tier: &str) -> f64 {
        self.phase(phase)["failsoft"]["tier_shares"][tier].as_f64().unwrap_or(0.0)
    }

    fn asked_aside(&self, phase: &str) -> u64 {
        self.phase(phase)["cache_aside"]["database_asked_peak_per_second"].as_u64().unwrap()
    }

    /// What is so in every phase of every play.
    fn is_right_throughout(&self) {
        for phase in self.phases() {
            let (with, without) = (&phase["failsoft"], &phase["cache_aside"]);
            assert_eq!((&with["wrong"], &without["wrong"]), (&0.into(), &0.into()), "{phase:#}");
            assert!(with["reads"].as_u64().unwrap() >= 400, "{phase:#}");
            assert_eq!(with["reads"], without["reads"], "{phase:#}");
        }
    }
}

/// Files of the demo go into `folder`, so that what is left behind can be seen.
fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failsoft"));
    command.arg("demo").args(arguments).env("TMPDIR", folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn before_a_cluster_every_promise_is_kept_and_each_tier_has_its_hour() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--seconds", "1", "--rate", "500", "--json"]).output().unwrap();
    let report = Report::of(&output);
    assert_eq!(report.names(), CLUSTER);
    report.is_right_throughout();
    assert!(report.share("healthy", "primary") > 0.9, "{:#}", report.0);
    // A third of the keys has no primary until the cluster has made one.
    assert!(report.share("primary killed", "replica") > 0.05, "{:#}", report.0);
    assert!(report.share("primary killed", "primary") > 0.5, "{:#}", report.0);
    assert!(report.share("primary paused", "replica") > 0.05, "{:#}", report.0);
    assert!(report.phase("slots moving")["failsoft"]["redirects"].as_u64().unwrap() > 0, "{:#}", report.0);
    assert!(report.share("slots moving", "primary") > 0.9, "{:#}", report.0);
    assert!(report.share("all killed", "local") + report.share("all killed", "origin") > 0.5, "{:#}", report.0);
    assert!(report.asked_aside("all killed") > report.asked_aside("healthy"), "{:#}", report.0);
    let whole = report.phases().iter().filter(|phase| phase["redis_trusted_at_end"] == true).count();
    assert_eq!(whole, CLUSTER.len() - 1, "all but the outage end with a primary for every key: {:#}", report.0);
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn before_one_primary_every_promise_is_kept_and_the_table_shows_every_phase() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--standalone", "--seconds", "1", "--rate", "500"]).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let table = String::from_utf8(output.stdout).unwrap();
    for phase in STANDALONE {
        assert!(table.lines().any(|line| line.trim_start_matches(['│', ' ']).starts_with(phase)), "{phase}: {said}");
    }
    assert_eq!(entries(folder.path()), 0, "{said}");
}

#[test]
fn json_tells_what_answered_while_the_only_redis_was_gone() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--standalone", "--seconds", "1", "--rate", "500", "--json"]).output().unwrap();
    let report = Report::of(&output);
    assert_eq!(report.names(), STANDALONE);
    report.is_right_throughout();
    assert!(report.share("healthy", "primary") > 0.9, "{:#}", report.0);
    assert!(report.share("primary killed", "replica") > 0.5, "{:#}", report.0);
    assert!(report.share("both killed", "local") + report.share("both killed", "origin") > 0.9, "{:#}", report.0);
    assert!(report.asked_aside("both killed") > report.asked_aside("healthy"), "{:#}", report.0);
}

#[tokio::test]
async fn interrupting_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &["--seconds", "60"]).spawn().unwrap();
    let started = || async { settings_of(folder.path()).is_some() };
    eventually("the demo's sidecar to be started", Duration::from_secs(30), started).await;
    let node = port_of(&settings_of(folder.path()).unwrap());
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(entries(folder.path()), 0);
    assert!(std::net::TcpStream::connect(node).is_err());
}

#[test]
fn without_redis_it_is_one_sentence_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &[]).env("PATH", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: redis-server was not found on PATH\n\
         hint: install Redis 7: `sudo apt install redis-server`, or on macOS `brew install redis`\n"
    );
}

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

/// The sidecar's settings, once they are written.
fn settings_of(folder: &Path) -> Option<String> {
    let demo = fs::read_dir(folder).ok()?.next()?.ok()?.path();
    fs::read_to_string(demo.join("failsoft.toml")).ok().filter(|text| text.contains("[[routes]]"))
}

/// Where a Redis listens.
fn port_of(settings: &str) -> std::net::SocketAddr {
    let rest = settings.split_once("redis://").unwrap().1;
    rest.split_once('"').unwrap().0.parse().unwrap()
}
