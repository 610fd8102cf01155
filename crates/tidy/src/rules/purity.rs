//! The core reads no clock, makes no randomness, starts no thread and takes no lock; the framing does no I/O.
//!
//! By name rather than by path: in rooms this small, a thing called `Mutex` is a mutex. Iterating over a hash map, whose
//! order is chance, is banned by `clippy.toml` in the core, where the type is known.

use crate::code::{Token, production, test_files};
use crate::project::{File, Finding};

const CLOCKS: &[&str] = &["Instant", "SystemTime", "UNIX_EPOCH"];
const THREADS: &[&str] = &["thread", "thread_local", "tokio", "spawn", "async", "await"];
const LOCKS: &[&str] = &["Mutex", "RwLock", "Condvar", "Barrier", "OnceLock", "LazyLock", "OnceCell", "mpsc", "atomic"];
const WORLD: &[&str] = &["fs", "net", "io", "process", "env", "stdin", "stdout", "stderr", "println", "eprintln"];
const CHANCE: &[&str] = &["rand", "random", "getrandom", "fastrand"];

const ROOMS: [&str; 2] = ["crates/core/src/", "crates/resp/src/"];

fn findings(files: &[File]) -> Vec<Finding> {
    let tests = test_files(files);
    let is_pure = |file: &&File| ROOMS.iter().any(|room| file.path.starts_with(room)) && !tests.contains(&file.path);
    files.iter().filter(is_pure).flat_map(impure).collect()
}

fn impure(file: &File) -> Vec<Finding> {
    let found = production(file).into_iter().filter(is_banned);
    found.map(|token| file.finding(token.line, format!("`{}` has no place in a pure room", token.text))).collect()
}

fn is_banned(token: &Token) -> bool {
    let word = token.text.as_str();
    let banned = [CLOCKS, THREADS, LOCKS, WORLD, CHANCE];
    banned.iter().any(|words| words.contains(&word)) || word.starts_with("Atomic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::assert_none;
    use crate::project::rust_files;

    #[test]
    fn the_pure_rooms_are_pure() {
        let files = rust_files();
        let in_rooms = ROOMS.map(|room| files.iter().filter(|file| file.path.starts_with(room)).count());
        assert!(in_rooms.iter().all(|count| *count > 10), "{in_rooms:?}: the rooms have moved");
        assert_none("purity", findings(&files));
    }

    #[test]
    fn whatever_touches_the_world_is_found() {
        let bad = [
            "use std::time::{Duration, Instant};",
            "fn now() -> u64 { std::time::SystemTime::now() }",
            "use std::sync::Mutex;",
            "static COUNT: AtomicU64 = AtomicU64::new(0);",
            "fn go() { std::thread::spawn(f); }",
            "async fn ask() {}",
            "fn roll() -> u64 { rand::random() }",
            "use std::fs;",
        ];
        for text in bad {
            assert_ne!(findings(&[File::sample("crates/core/src/a.rs", text)]), [], "{text}");
            assert_ne!(findings(&[File::sample("crates/resp/src/a.rs", text)]), [], "{text}");
            assert_eq!(findings(&[File::sample("crates/engine/src/a.rs", text)]), [], "{text}");
        }
        let fine = "//! Not an `Instant`.\nuse std::time::Duration;\n#[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(findings(&[File::sample("crates/core/src/a.rs", fine)]), []);
    }
}
