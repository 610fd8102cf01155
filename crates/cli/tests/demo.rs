//! The demo as somebody types it: a short one keeps every promise, and none leaves anything behind.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use failsoft_testkit::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PHASES: [&str; 8] =
    ["warm", "healthy", "primary killed", "both killed", "restarted", "primary paused", "restored empty", "recovered"];

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
fn a_short_demo_keeps_every_promise_and_shows_every_phase() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--seconds", "1", "--rate", "500"]).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let table = String::from_utf8(output.stdout).unwrap();
    for phase in PHASES {
        assert!(table.lines().any(|line| line.trim_start_matches(['│', ' ']).starts_with(phase)), "{phase}: {said}");
    }
    assert_eq!(entries(folder.path()), 0, "{said}");
}

#[test]
fn json_tells_what_answered_while_redis_was_gone() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--seconds", "1", "--rate", "500", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(report["broken"], serde_json::json!([]));
    let phases = report["phases"].as_array().unwrap();
    assert_eq!(phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect::<Vec<_>>(), PHASES);
    for phase in phases {
        assert_eq!((&phase["failsoft"]["wrong"], &phase["cache_aside"]["wrong"]), (&0.into(), &0.into()), "{phase:#}");
        assert!(phase["failsoft"]["reads"].as_u64().unwrap() >= 400, "{phase:#}");
        assert_eq!(phase["failsoft"]["reads"], phase["cache_aside"]["reads"], "{phase:#}");
    }
    let share = |phase: usize, tier: &str| phases[phase]["failsoft"]["tier_shares"][tier].as_f64().unwrap_or(0.0);
    assert!(share(1, "primary") > 0.9, "{report:#}");
    assert!(share(2, "replica") > 0.5, "{report:#}");
    assert!(share(3, "local") + share(3, "origin") > 0.9, "{report:#}");
    let asked = |phase: usize| phases[phase]["cache_aside"]["database_asked_peak_per_second"].as_u64().unwrap();
    assert!(asked(3) > asked(1), "{report:#}");
}

#[tokio::test]
async fn interrupting_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &["--seconds", "60"]).spawn().unwrap();
    let started = || async { settings_of(folder.path()).is_some() };
    eventually("the demo's sidecar to be started", Duration::from_secs(30), started).await;
    let primary = port_of(&settings_of(folder.path()).unwrap());
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(entries(folder.path()), 0);
    assert!(std::net::TcpStream::connect(primary).is_err());
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

/// Where the primary listens.
fn port_of(settings: &str) -> std::net::SocketAddr {
    let rest = settings.split_once("redis://").unwrap().1;
    rest.split_once('"').unwrap().0.parse().unwrap()
}
