//! Where a rule is wrong, and why: the only way around a rule, read by whoever reviews it.
//!
//! An exception that excuses nothing any more is itself a finding, so that the list cannot outlive its reasons.

use crate::project::Finding;

/// A rule that is not applied to a file.
#[derive(Debug)]
struct Exception {
    rule: &'static str,
    path: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[Exception {
    rule: "sleeps",
    path: "crates/resp/tests/common/mod.rs",
    reason: "the sleep is the pause between two looks of a polling loop",
}];

/// Fails the test if `rule` has `findings` that no exception excuses.
///
/// # Panics
/// With the list of what was found.
#[track_caller]
pub(crate) fn assert_none(rule: &str, findings: Vec<Finding>) {
    let left = unexcused(rule, findings, EXCEPTIONS);
    let listed: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert!(listed.is_empty(), "{rule}: {} found\n{}\n", listed.len(), listed.join("\n"));
}

fn unexcused(rule: &str, mut findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    for exception in exceptions.iter().filter(|exception| exception.rule == rule) {
        assert!(exception.reason.len() > 20, "an exception needs a reason: {exception:?}");
        let before = findings.len();
        findings.retain(|finding| finding.path != exception.path);
        if findings.len() == before {
            let what = "there is an exception for this file and nothing to excuse: remove it".to_owned();
            findings.push(Finding { path: exception.path.to_owned(), line: 0, what });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_excuses_its_own_file_and_must_be_needed() {
        let exceptions = [Exception { rule: "rule", path: "a.rs", reason: "a reason of more than twenty characters" }];
        let finding = |path: &str| Finding { path: path.to_owned(), line: 1, what: "bad".to_owned() };
        assert_eq!(unexcused("rule", vec![finding("a.rs"), finding("b.rs")], &exceptions), [finding("b.rs")]);
        assert_eq!(unexcused("rule", vec![], &exceptions).len(), 1);
        assert_eq!(unexcused("other", vec![finding("a.rs")], &exceptions), [finding("a.rs")]);
    }
}
