//! `unwrap` is for tests. Elsewhere `expect` argues why it cannot happen, or the error goes to somebody.
//!
//! Clippy says so too; here it cannot be allowed away.

use crate::code::{lines_with, production, test_files};
use crate::project::{File, Finding};

fn findings(files: &[File]) -> Vec<Finding> {
    let tests = test_files(files);
    let in_production = files.iter().filter(|file| !tests.contains(&file.path));
    in_production.flat_map(unwraps).collect()
}

fn unwraps(file: &File) -> Vec<Finding> {
    let tokens = production(file);
    let found = ["unwrap", "unwrap_err", "unwrap_unchecked"].map(|name| lines_with(&tokens, &[".", name, "("]));
    found.concat().into_iter().map(|line| file.finding(line, "`unwrap` outside of tests")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::rust_files;

    #[test]
    fn nothing_is_unwrapped_outside_of_tests() {
        assert_none("unwraps", findings(&rust_files()));
    }

    #[test]
    fn an_unwrap_is_found_unless_it_is_in_a_test() {
        let bad =
            "fn a() {\n    b.unwrap();\n    c.unwrap_or(1);\n}\n#[cfg(test)]\nmod tests { fn d() { e.unwrap() } }";
        let lines: Vec<_> = findings(&[File::sample("src/a.rs", bad)]).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2]);
        assert_eq!(findings(&[File::sample("tests/a.rs", bad)]), []);
    }
}
