//! What Prometheus' own tool says of the page and of the rules.
//!
//! `promtool` is in Debian's package `prometheus`. Where it is not installed these tests say so and check nothing; the
//! structure of the rules is then still held by the tests beside this one.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::files::project;
use super::world::{eventful, figures};
use crate::telemetry::exposition::Exposition;

#[tokio::test]
async fn promtool_has_no_complaint_about_the_page() {
    let page = Exposition::default().render(&eventful().await, Some(&figures()));
    assert_content(promtool(&["check", "metrics"], &page));
}

#[test]
fn promtool_accepts_the_rules() {
    assert_content(promtool(&["check", "rules", project("examples/alerts.yml").to_str().unwrap()], ""));
}

#[test]
fn every_rule_fires_when_it_should_and_not_before() {
    assert_content(promtool(&["test", "rules", project("examples/alerts_test.yml").to_str().unwrap()], ""));
}

/// What `promtool` says when it is given `input`; `None` when it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let started = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("promtool cannot be started: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    let fed = input.to_owned();
    let feeder = std::thread::spawn(move || stdin.write_all(fed.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(feeder.join().unwrap().is_ok() || !output.status.success());
    Some(output)
}

#[allow(clippy::print_stderr)]
fn assert_content(output: Option<Output>) {
    let Some(output) = output else {
        eprintln!("NOT CHECKED: promtool is not installed (Debian package `prometheus`)");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool says:\n{said}");
}
