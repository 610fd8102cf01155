//! Every file opens with what it is for: a `//!` header of at least one whole sentence.

use crate::project::{File, Finding};

/// Shorter than any sentence that says something.
const SHORTEST: usize = 15;

fn findings(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| !opens_well(&file.text)).map(|file| file.finding(1, WHAT)).collect()
}

const WHAT: &str = "the file does not open with a `//!` header: what it decides or does, and why this way";

fn opens_well(text: &str) -> bool {
    let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let header = header.join(" ");
    header.len() >= SHORTEST && header.contains(['.', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::rust_files;

    #[test]
    fn every_file_says_what_it_is_for() {
        assert_none("headers", findings(&rust_files()));
    }

    #[test]
    fn a_missing_or_empty_header_is_found() {
        for bad in ["", "use std::fmt;\n//! A header of a whole sentence, but too late.\n", "//! Tests\n"] {
            assert_eq!(findings(&[File::sample("a.rs", bad)]).len(), 1, "{bad:?}");
        }
        let good = "//! Which tiers may answer a request,\n//! and in which order.\nuse std::fmt;\n";
        assert_eq!(findings(&[File::sample("a.rs", good)]), []);
    }
}
