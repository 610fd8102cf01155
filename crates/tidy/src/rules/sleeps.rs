//! Tests wait for what they wait for, never for an amount of time: `wait::eventually` polls.
//!
//! A test may make a load, and a load has a pace: then the line above says so, `// sleeps: <why this is no waiting>`.

use crate::code::{lines_with, tokens};
use crate::project::{File, Finding};

fn findings(files: &[File]) -> Vec<Finding> {
    let integration = files.iter().filter(|file| file.path.starts_with("crates/") && file.path.contains("/tests/"));
    integration.flat_map(sleeps).collect()
}

fn sleeps(file: &File) -> Vec<Finding> {
    let tokens = tokens(file);
    let found = ["sleep", "sleep_until"].map(|name| lines_with(&tokens, &[name, "("]));
    let unexplained = found.concat().into_iter().filter(|line| !is_explained(&file.text, *line));
    unexplained.map(|line| file.finding(line, "a test sleeps: poll for the state instead")).collect()
}

/// Whether the line above `line` (from 1) gives a reason of some length.
fn is_explained(text: &str, line: usize) -> bool {
    let above = line.checked_sub(2).and_then(|index| text.lines().nth(index)).unwrap_or_default();
    above.trim_start().strip_prefix("// sleeps: ").is_some_and(|reason| reason.len() >= 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::rust_files;

    #[test]
    fn no_test_sleeps() {
        assert_none("sleeps", findings(&rust_files()));
    }

    #[test]
    fn a_sleep_is_found() {
        let bad = "async fn a() {\n    tokio::time::sleep(SECOND).await;\n    redis.debug_sleep(SECOND).await;\n}";
        assert_eq!(findings(&[File::sample("crates/x/tests/a.rs", bad)]).len(), 1);
        assert_eq!(findings(&[File::sample("crates/x/src/a.rs", bad)]), []);
        let explained = bad.replace("    tokio", "    // sleeps: the pace of the load\n    tokio");
        assert_eq!(findings(&[File::sample("crates/x/tests/a.rs", &explained)]), []);
        let barely = bad.replace("    tokio", "    // sleeps: yes\n    tokio");
        assert_eq!(findings(&[File::sample("crates/x/tests/a.rs", &barely)]).len(), 1);
    }
}
