//! Documents that are printed from the code, against the code.

use std::path::PathBuf;

use serde_json::Value;

use super::world::{eventful, figures};
use crate::telemetry::reference;
use crate::telemetry::state::State;

/// A file of the project.
pub(super) fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_printed_metrics_are_up_to_date() {
    let file = project("docs/metrics.md");
    if std::env::var_os("FAILSOFT_REWRITE").is_some() {
        std::fs::write(&file, reference()).unwrap();
    }
    let printed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(printed == reference(), "docs/metrics.md is stale: run this test with FAILSOFT_REWRITE=1");
}

#[tokio::test]
async fn the_documented_state_has_only_fields_that_there_are() {
    let document = std::fs::read_to_string(project("docs/admin.md")).unwrap();
    let example = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let state = serde_json::to_value(State::of(&eventful().await, Some(&figures()))).unwrap();
    assert_known(&serde_json::from_str(example).unwrap(), &state, "state");
}

/// Every field of `example` is one of `state`, but for counts, whose names depend on what happened.
fn assert_known(example: &Value, state: &Value, path: &str) {
    match (example, state) {
        (Value::Object(example), Value::Object(state)) => {
            for (key, value) in example.iter().filter(|(key, _)| *key != "...") {
                let is_count = value.is_u64() && COUNTS.iter().any(|counts| path.ends_with(counts));
                if let Some(known) = state.get(key) {
                    assert_known(value, known, &format!("{path}.{key}"));
                } else {
                    assert!(is_count, "{path}.{key}");
                }
            }
        }
        (Value::Array(example), Value::Array(state)) => {
            example.iter().for_each(|value| assert_known(value, &state[0], path));
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => panic!("{path}"),
        _ => {}
    }
}

const COUNTS: [&str; 5] = [".loads", ".probes", ".connect_failures", ".disconnects", ".shed"];
