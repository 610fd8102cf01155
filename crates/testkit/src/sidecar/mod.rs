//! The real `failsoft` binary as a child process: `failsoft serve -c <file>`.
//!
//! Settings are the text of the file, in which `{listen}` and `{admin}` become free loopback addresses, kept over
//! reloads. When a test panics, what the sidecar has written is printed with it.

mod metrics;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use rustix::process::Signal;

pub use metrics::Metrics;

use crate::http;
use crate::port::FreePort;
use crate::process::{Exit, Launch, Process};
use crate::scratch::Scratch;
use crate::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running sidecar. Dropping it kills and reaps the process.
#[derive(Debug)]
pub struct Sidecar {
    process: Process,
    settings: PathBuf,
    listen: FreePort,
    admin: FreePort,
    scratch: Scratch,
}

impl Sidecar {
    /// Runs `bin serve -c <file>` and waits until its admin port answers `/livez`.
    ///
    /// # Panics
    /// When it ends or stays silent instead; its log is in the message.
    pub async fn start(bin: &Path, settings: &str) -> Self {
        Self::launch(settings, |file| (bin.to_owned(), vec!["serve".into(), "-c".into(), file])).await
    }

    /// The same with at most `soft` file descriptors, and `hard` if it asks for more.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_with_files(bin: &Path, settings: &str, soft: u64, hard: u64) -> Self {
        let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" serve -c \"$1\"");
        let bin = bin.display().to_string();
        Self::launch(settings, |file| ("/bin/sh".into(), vec!["-c".into(), script, bin, file])).await
    }

    /// `command` makes program and arguments of the settings file's name.
    async fn launch(settings: &str, command: impl FnOnce(String) -> (PathBuf, Vec<String>)) -> Self {
        let scratch = Scratch::new("sidecar");
        let file = scratch.path().join("failsoft.toml");
        let (listen, admin) = (FreePort::reserve(), FreePort::reserve());
        write(&file, settings, &listen, &admin);
        let (program, arguments) = command(file.display().to_string());
        let launch = Launch {
            program,
            arguments,
            account: None,
            directory: scratch.path().to_owned(),
            log: scratch.path().join("log"),
        };
        let sidecar = Self { process: launch.start(), settings: file, listen, admin, scratch };
        sidecar.wait_until_live().await;
        sidecar
    }

    /// Where Redis clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.listen.addr()
    }

    /// `redis://` and [`Sidecar::addr`].
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// Where operators look.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// `http://` and [`Sidecar::admin_addr`], without a slash at the end.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_addr())
    }

    /// A connection of redis-rs with timeouts (10 s) that are no part of the test.
    ///
    /// # Panics
    /// When the sidecar cannot be connected to.
    pub async fn redis_connection(&self) -> MultiplexedConnection {
        let connected = crate::redis::connect(&self.url()).await;
        connected.unwrap_or_else(|error| panic!("cannot connect to the sidecar: {error}"))
    }

    /// GETs `path` from the admin port.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> http::Response {
        let response = http::get(self.admin_addr(), path).await;
        response.unwrap_or_else(|| panic!("no answer from {}{path}", self.admin_url()))
    }

    /// What `/metrics` says.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").await.body)
    }

    /// One metric as [`Metrics::get`] finds it.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.metrics().await.get(name, labels)
    }

    /// The JSON of `/api/v1/state`.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn state(&self) -> String {
        self.get("/api/v1/state").await.body
    }

    /// Rewrites the settings file, placeholders filled in as before, and sends SIGHUP.
    pub fn reload(&self, settings: &str) {
        write(&self.settings, settings, &self.listen, &self.admin);
        self.process.signal(Signal::HUP);
    }

    /// Its own directory, in which the relative paths of its settings begin.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// The settings file.
    pub fn settings_path(&self) -> &Path {
        &self.settings
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Standard output and standard error so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Whether the log has `text` somewhere; to be used with [`eventually`].
    pub fn log_contains(&self, text: &str) -> bool {
        self.log().contains(text)
    }

    /// SIGTERM, and how it ended.
    pub async fn terminate(&self) -> Exit {
        self.process.terminate().await
    }

    /// SIGKILL, and how it ended.
    pub async fn kill(&self) -> Exit {
        self.process.kill().await
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Lets it have at most `most` file descriptors from here on.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&self, most: u64) {
        self.process.limit_files(most);
    }

    async fn wait_until_live(&self) {
        eventually("the sidecar's /livez", PATIENCE, || async {
            if let Some(status) = self.process.ended() {
                panic!("the sidecar ended with {status}");
            }
            http::get(self.admin_addr(), "/livez").await.is_some_and(|response| response.status == 200)
        })
        .await;
    }
}

impl Drop for Sidecar {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the sidecar's log:\n{}---", self.log());
        }
    }
}

/// Written beside and renamed, as editors and configuration tools do, so that no half file is ever read.
fn write(file: &Path, settings: &str, listen: &FreePort, admin: &FreePort) {
    let addresses = [("{listen}", listen), ("{admin}", admin)];
    let text =
        addresses.iter().fold(settings.to_owned(), |text, (name, port)| text.replace(name, &port.addr().to_string()));
    let beside = file.with_extension("new");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, file));
    written.expect("the temporary directory is writable");
}
