//! Maps that clients feed are hashed with a seed that nobody knows: no hasher of the product is the same in every process.
//!
//! With a known hash whoever chooses keys can make them all collide, and a map becomes a list.

use crate::code::{lines_with, tokens};
use crate::project::{File, Finding};

/// Hashers that begin the same in every process.
const UNSEEDED: [&str; 7] =
    ["FixedState", "BuildHasherDefault", "DefaultHasher", "FxHasher", "FxHashMap", "FnvHashMap", "SeedableRandomState"];

fn findings(files: &[File]) -> Vec<Finding> {
    let product = files.iter().filter(|file| file.path.starts_with("crates/") && file.path.contains("/src/"));
    let product =
        product.filter(|file| !["crates/tidy/", "crates/testkit/"].iter().any(|own| file.path.starts_with(own)));
    product.flat_map(unseeded).collect()
}

fn unseeded(file: &File) -> Vec<Finding> {
    let tokens = tokens(file);
    let lines = UNSEEDED.map(|name| lines_with(&tokens, &[name]));
    lines
        .concat()
        .into_iter()
        .map(|line| file.finding(line, "a hasher without a random seed: take RandomState"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::rust_files;

    #[test]
    fn every_map_has_a_seed_of_its_own() {
        assert_none("seeds", findings(&rust_files()));
    }

    #[test]
    fn a_hasher_that_is_always_the_same_is_found() {
        let bad = "use foldhash::fast::FixedState;\ntype Map = HashMap<u64, u64, FixedState>;\n";
        assert_eq!(findings(&[File::sample("crates/engine/src/a.rs", bad)]).len(), 2);
        assert_eq!(findings(&[File::sample("crates/engine/tests/a.rs", bad)]), []);
        let good = bad.replace("FixedState", "RandomState");
        assert_eq!(findings(&[File::sample("crates/engine/src/a.rs", &good)]), []);
    }
}
