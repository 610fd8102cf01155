//! What a PostgreSQL and a MariaDB of a test have in common: one process, one directory, one command-line client.
//!
//! Statements go through the server's own client program, so the tests that use a driver test that driver and
//! nothing of this crate. Durability is off: a killed server may lose what it was told last, like one whose disk lied.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;

use crate::port::FreePort;
use crate::process::{Exit, Launch, Output, Process, await_stopped, children, dying_with_us, run, send};
use crate::scratch::Scratch;
use crate::wait::eventually;

/// For a server to come up, or a statement to end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running (or stopped, killed, paused) database server. Dropping it kills it and removes its directory.
pub struct Database {
    pub(crate) process: Mutex<Arc<Process>>,
    pub(crate) launch: Launch,
    pub(crate) client: Client,
    pub(crate) url: String,
    /// The signal that makes it stop in an orderly way without waiting for its clients.
    pub(crate) stop: Signal,
    pub(crate) port: FreePort,
    pub(crate) _scratch: Scratch,
}

/// The command line that runs the SQL on its standard input and prints bare values.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Database {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The URL of an empty database called `failsoft`, with a user who may do anything in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements, separated by semicolons.
    ///
    /// # Panics
    /// When one fails, with the server's words, or after a minute.
    pub async fn execute(&self, sql: &str) {
        self.printed_by(sql).await;
    }

    /// The first column of the first row as the client prints it; `None` for no row.
    ///
    /// # Panics
    /// As [`Database::execute`].
    pub async fn query_scalar(&self, sql: &str) -> Option<String> {
        let printed = self.printed_by(sql).await;
        let row = printed.lines().next()?;
        row.split('\t').next().map(str::to_owned)
    }

    /// The process number of the server (of PostgreSQL's first process).
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Everything the server has logged, over all restarts.
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// Stops it in an orderly way, cutting its clients off.
    pub async fn stop(&self) -> Exit {
        let process = self.process();
        process.signal(self.stop);
        process.gone().await
    }

    /// SIGKILL to the server and its children.
    pub async fn kill(&self) -> Exit {
        let process = self.process();
        process.pause();
        let children = children(process.pid());
        let exit = process.kill().await;
        children.into_iter().for_each(|child| send(child, Signal::KILL));
        exit
    }

    /// SIGSTOP to the server and its children: connections are accepted (by the kernel), and nothing answers.
    pub fn pause(&self) {
        let process = self.process();
        process.pause();
        for child in children(process.pid()) {
            send(child, Signal::STOP);
            await_stopped(child);
        }
    }

    /// SIGCONT to all of them.
    pub fn resume(&self) {
        let process = self.process();
        children(process.pid()).into_iter().for_each(|child| send(child, Signal::CONT));
        process.resume();
    }

    /// Kills it (if it runs) and starts it again: same port, same data.
    pub async fn restart(&self) {
        self.kill().await;
        self.start_process();
        self.wait_until_answering().await;
    }

    /// Waits until a statement works. A server that ends first is started again, because one that comes up
    /// while the last children of its killed predecessor are still going refuses to share their memory.
    pub(crate) async fn wait_until_answering(&self) {
        let mut starts = 1;
        eventually(&format!("{self:?} to come up"), PATIENCE, || {
            let ended = self.process().ended();
            if let Some(status) = ended {
                assert!(starts < 20, "{self:?} ended with {status}; its log:\n{}", self.log());
                starts += 1;
                self.start_process();
            }
            async { self.run("SELECT 1").await.status.success() }
        })
        .await;
    }

    fn start_process(&self) {
        *self.process.lock() = Arc::new(self.launch.start());
    }

    async fn printed_by(&self, sql: &str) -> String {
        let output = self.run(sql).await;
        assert!(output.status.success(), "{self:?} did not do {sql:?}: {}", output.stderr);
        output.stdout
    }

    async fn run(&self, sql: &str) -> Output {
        let mut command = dying_with_us(&self.client.program);
        command.args(&self.client.arguments);
        run(command, sql, PATIENCE).await
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.lock())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)
    }
}
