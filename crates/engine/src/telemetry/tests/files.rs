//! Documents that are printed from the code, against the code.

use std::path::PathBuf;

use crate::telemetry::reference;

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
