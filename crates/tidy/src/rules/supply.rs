//! What `deny.toml` says about bans, licences and sources, checked where cargo-deny is not installed.
//!
//! Building cargo-deny takes longer than building failsoft, so `make test` does not install it; but a licence nobody
//! agreed to must not come in on a machine without it either. The file is the one cargo-deny reads.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::project::{Finding, root};

/// What `deny.toml` asks for.
#[derive(Debug)]
struct Policy {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
    registries: BTreeSet<String>,
}

impl Policy {
    fn read(text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("deny.toml: {error}"));
        let strings = |value: &toml::Value| -> BTreeSet<String> {
            let list = value.as_array().expect("deny.toml has a list here");
            list.iter()
                .filter_map(|item| item.as_str().or_else(|| item.get("crate")?.as_str()))
                .map(str::to_owned)
                .collect()
        };
        Self {
            licences: strings(&table["licenses"]["allow"]),
            banned: strings(&table["bans"]["deny"]),
            registries: strings(&table["sources"]["allow-registry"]),
        }
    }
}

fn findings(packages: &[Value], policy: &Policy) -> Vec<Finding> {
    packages.iter().flat_map(|package| judge(package, policy)).collect()
}

fn judge(package: &Value, policy: &Policy) -> Vec<Finding> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let (name, licence, source) = (text("name"), text("license"), text("source"));
    let finding = |what: String| Finding { path: format!("{name} {}", text("version")), line: 0, what };
    let comes_from_outside = !source.is_empty();
    let is_known = policy.registries.iter().any(|registry| source == format!("registry+{registry}"));
    let mut found = Vec::new();
    if policy.banned.contains(name) {
        found.push(finding("is banned".to_owned()));
    }
    if comes_from_outside && !is_known {
        found.push(finding(format!("comes from {source}")));
    }
    if !is_allowed(licence, &policy.licences) {
        found.push(finding(format!("has the licence {licence:?}")));
    }
    found
}

/// Whether an SPDX expression can be fulfilled with allowed licences alone; the old `A/B` means `A OR B`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let spaced = spaced.replace(" or ", " OR ").replace(" and ", " AND ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest, allowed) && rest.is_empty()
}

fn either(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut fulfilled = all(words, allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        fulfilled |= all(words, allowed);
    }
    fulfilled
}

fn all(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut fulfilled = single(words, allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        fulfilled &= single(words, allowed);
    }
    fulfilled
}

fn single(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let fulfilled = either(words, allowed);
            *words = words.split_first().map_or(&[][..], |(_, rest)| rest);
            fulfilled
        }
        // An exception only ever adds permissions.
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => {
            let fulfilled = allowed.contains(*licence);
            *words = rest;
            fulfilled
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::file;

    #[test]
    fn everything_in_the_build_is_allowed() {
        let packages = packages_in_the_build();
        assert!(packages.len() > 50, "only {} packages were found", packages.len());
        assert_none("supply", findings(&packages, &Policy::read(&file("deny.toml").text)));
    }

    #[test]
    fn what_is_not_allowed_is_found() {
        let policy = Policy::read(
            "[licenses]\nallow = ['MIT']\n[bans]\ndeny = [{ crate = 'bad' }]\n[sources]\nallow-registry = ['https://r']",
        );
        let package = |name: &str, licence: &str, source: &str| serde_json::json!({ "name": name, "version": "1.0.0", "license": licence, "source": source });
        let found = |package| findings(&[package], &policy).len();
        assert_eq!(found(package("good", "MIT", "registry+https://r")), 0);
        assert_eq!(found(package("bad", "MIT", "registry+https://r")), 1);
        assert_eq!(found(package("good", "GPL-3.0", "registry+https://r")), 1);
        assert_eq!(found(package("good", "", "registry+https://r")), 1);
        assert_eq!(found(package("good", "MIT", "git+https://r")), 1);
        assert_eq!(found(package("good", "MIT", "registry+https://elsewhere")), 1);
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = ["MIT", "ISC"].map(str::to_owned).into();
        for yes in ["MIT", "MIT or GPL-3.0", "GPL-3.0/MIT", "MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC", "MIT WITH X"] {
            assert!(is_allowed(yes, &allowed), "{yes}");
        }
        for no in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT ISC", "MIT AND"] {
            assert!(!is_allowed(no, &allowed), "{no}");
        }
    }

    /// Those that are compiled on this machine, from cargo's own store. (The lock file also names what other machines
    /// and other features would need.)
    fn packages_in_the_build() -> Vec<Value> {
        let tree = cargo(&["tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}"]);
        let compiled: BTreeSet<&str> = tree.lines().filter_map(name_and_version).collect();
        let host = Command::new("rustc").arg("-vV").output().expect("rustc is there where cargo is");
        let host = String::from_utf8_lossy(&host.stdout).into_owned();
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
        let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", host]);
        let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
        let mut packages = metadata["packages"].as_array().cloned().expect("cargo lists the packages");
        packages.retain(|package| {
            let [name, version] = ["name", "version"].map(|key| package[key].as_str().unwrap_or_default());
            compiled.contains(format!("{name} v{version}").as_str())
        });
        packages
    }

    /// `name v1.2.3 (whatever else cargo says)` without the parentheses.
    fn name_and_version(line: &str) -> Option<&str> {
        line.split(" (").next().filter(|package| !package.is_empty())
    }

    fn cargo(args: &[&str]) -> String {
        let told = Command::new(env!("CARGO"))
            .args(args)
            .args(["--locked", "--offline"])
            .current_dir(root())
            .output()
            .expect("cargo has started this test and can be started again");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }
}
