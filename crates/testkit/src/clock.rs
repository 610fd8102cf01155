//! A server whose wall clock can be set while it runs, without touching the machine's: a small C library in front of the
//! system's, built when it is first needed, that adds a number in a shared file to what the kernel says.
//!
//! Only the wall clock: what a server measures durations by goes on evenly, as on a machine whose clock is stepped.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use crate::programs;
use crate::scratch::Scratch;

const SOURCE: &str = include_str!("clock.c");

/// A wall clock that can be set.
#[derive(Debug)]
pub struct WallClock {
    ahead: File,
    scratch: Scratch,
}

impl WallClock {
    /// One that shows the machine's time.
    ///
    /// # Panics
    /// When there is no C compiler; building the project needs one too.
    pub fn new() -> Self {
        let scratch = Scratch::new("clock");
        let (source, library) = (scratch.path().join("clock.c"), scratch.path().join("clock.so"));
        fs::write(&source, SOURCE).expect("the temporary directory is writable");
        let compiler = programs::find("cc", "a C compiler (Debian: apt install gcc)");
        let built = Command::new(compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
        let built = built.unwrap_or_else(|error| panic!("cannot start the C compiler: {error}"));
        assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        let file = scratch.path().join("ahead");
        fs::write(&file, 0_i64.to_ne_bytes()).expect("the temporary directory is writable");
        let ahead = File::options().write(true).open(file).expect("written just now");
        Self { ahead, scratch }
    }

    /// Sets it so far ahead of the machine's, or behind it.
    pub fn set_ahead(&self, seconds: i64) {
        let micros = seconds * 1_000_000;
        self.ahead.write_all_at(&micros.to_ne_bytes(), 0).expect("the temporary directory is writable");
    }

    /// What a program is started through so that it goes by this clock: a program, and arguments before the program's name.
    pub(crate) fn prefix(&self) -> (PathBuf, Vec<String>) {
        let file = |name: &str| self.scratch.path().join(name).display().to_string();
        let set = [format!("LD_PRELOAD={}", file("clock.so")), format!("FAILSOFT_TEST_CLOCK={}", file("ahead"))];
        (programs::find("env", "env (coreutils)"), set.to_vec())
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}
