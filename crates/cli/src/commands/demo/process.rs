//! A child process that never outlives the demo.
//!
//! Dropping kills and reaps, which covers returning, Ctrl-C and panics. Should the demo itself be killed, the kernel
//! kills the children, where `setpriv` (util-linux) is there to ask for it. Children are a process group of their
//! own, so that Ctrl-C reaches the demo alone and the demo decides in which order they go. Output goes to a file: a
//! pipe that nobody reads would stop them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::error::DemoError;
use super::programs;

/// Lines of a log that are worth showing.
const LAST_WORDS: usize = 15;

/// A running (or ended) child.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with what it writes appended to `log`.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[&OsStr],
        log: PathBuf,
    ) -> Result<Self, DemoError> {
        let open = || File::options().create(true).append(true).open(&log).map_err(DemoError::io("open a log"));
        let mut command = dying_with_us(program);
        command.args(arguments).stdin(Stdio::null()).stdout(open()?).stderr(open()?).process_group(0);
        let child = command.spawn().map_err(DemoError::io("start a process"))?;
        Ok(Self { name, child, log })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log_path(&self) -> &Path {
        &self.log
    }

    /// The last lines it has written.
    pub(super) fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// An error if it has ended.
    pub(super) fn check_running(&mut self) -> Result<(), DemoError> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(DemoError::Ended { program: self.name, status, log: self.last_words() }),
        }
    }

    /// SIGSTOP: the kernel keeps taking connections for it, and nothing answers.
    pub(super) fn pause(&mut self) -> Result<(), DemoError> {
        self.signal(Signal::STOP, "pause a process")
    }

    /// SIGCONT.
    pub(super) fn resume(&mut self) -> Result<(), DemoError> {
        self.signal(Signal::CONT, "resume a process")
    }

    fn signal(&mut self, signal: Signal, doing: &'static str) -> Result<(), DemoError> {
        self.check_running()?;
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("the kernel gave us this number");
        kill_process(pid, signal).map_err(|error| DemoError::Io { doing, error: error.into() })
    }

    /// SIGKILL; on return it is gone and its port refuses.
    pub(super) fn kill(&mut self) -> Result<(), DemoError> {
        // Fails for a child already gone only, which is what is wanted.
        let _ = self.child.kill();
        self.child.wait().map(drop).map_err(DemoError::io("wait for a killed process"))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, DemoError> {
        self.child.try_wait().map_err(DemoError::io("look after a process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The kernel counts the thread that forks as the parent: that is the main one, which lasts as long as the demo.
fn dying_with_us(program: &Path) -> Command {
    match programs::look_up("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(folder: &Path, script: &str) -> Process {
        let arguments = ["-c", script].map(OsStr::new);
        Process::start("sh", Path::new("/bin/sh"), &arguments, folder.join("log")).unwrap()
    }

    #[test]
    fn dropping_ends_even_a_paused_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell(folder.path(), "exec sleep 600");
        let pid = i32::try_from(process.pid()).ok().and_then(Pid::from_raw).unwrap();
        process.pause().unwrap();
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn what_ended_too_early_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell(folder.path(), "seq 100; exit 3");
        process.child.wait().unwrap();
        let told = process.check_running().unwrap_err().to_string();
        assert!(told.starts_with("sh ended at once with exit status: 3"), "{told}");
        assert!(told.ends_with("86\n87\n88\n89\n90\n91\n92\n93\n94\n95\n96\n97\n98\n99\n100"), "{told}");
    }
}
