//! A real `redis-server` of its own: private directory, free loopback port, no persistence unless asked.
//!
//! Started by [`Redis::start`] or, with settings, [`Redis::builder`]; every method takes `&self`, so a handle can
//! be shared with the task that breaks it. What breaks Redis from inside (LOADING, BUSY, OOM, ...) is in the
//! `faults` file next door. Commands of the test itself go over a fresh connection each, so that they keep working
//! across restarts and never wait behind what a test does to its own connections.

mod builder;
mod dial;
mod faults;
mod steady;
mod tally;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Value};

pub use builder::{Ready, RedisBuilder};
pub use faults::{Crowd, Pause};
pub(crate) use steady::Steady;
pub use tally::Tally;

use crate::port::FreePort;
use crate::process::{Exit, Launch, Process};
use crate::scratch::Scratch;
use crate::wait::eventually;

/// For a server to come up on a busy machine, or to answer a test's own command.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running (or killed, or paused) Redis. Dropping it kills and reaps the process and removes its directory.
#[derive(Debug)]
pub struct Redis {
    process: Mutex<Arc<Process>>,
    launch: Launch,
    settings: Vec<(String, String)>,
    primary: Option<SocketAddr>,
    password: Mutex<Option<String>>,
    port: FreePort,
    scratch: Scratch,
}

impl Redis {
    /// Starts Redis with the defaults of [`Redis::builder`] and waits until it answers.
    ///
    /// # Panics
    /// When `redis-server` is missing or ends at once; its log is in the message.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A Redis to be: no persistence, DEBUG and protected settings allowed.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The port it listens on, also while it is down.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its own directory, in which the relative paths of its settings begin.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// `redis://127.0.0.1:port`, with the password if one is required.
    pub fn url(&self) -> String {
        match &*self.password.lock() {
            Some(password) => self.url_of("", password),
            None => format!("redis://{}", self.addr()),
        }
    }

    /// The URL for an ACL user, or for the default user (`""`) with some password, right or wrong.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.addr())
    }

    /// The password that it requires of whoever comes, if any.
    pub(crate) fn password(&self) -> Option<String> {
        self.password.lock().clone()
    }

    /// A connection of redis-rs whose timeouts (10 s) are no part of any test.
    ///
    /// # Panics
    /// When Redis cannot be connected to.
    pub async fn connection(&self) -> MultiplexedConnection {
        self.try_connection().await.unwrap_or_else(|error| panic!("cannot connect to redis {}: {error}", self.addr()))
    }

    /// As [`Redis::connection`], with the error.
    pub async fn try_connection(&self) -> RedisResult<MultiplexedConnection> {
        connect(&self.url()).await
    }

    /// Runs one command: `redis.command(&["SET", "key", "value"]).await`.
    ///
    /// # Panics
    /// When Redis answers with an error or not at all.
    pub async fn command(&self, words: &[&str]) -> Value {
        self.try_command(words).await.unwrap_or_else(|error| panic!("redis did not do {words:?}: {error}"))
    }

    /// Runs one command and returns its error, whose `code()` is the error's first word.
    pub async fn try_command(&self, words: &[&str]) -> RedisResult<Value> {
        let mut connection = self.try_connection().await?;
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut connection).await
    }

    /// The value of a string key, if there is one.
    pub async fn get(&self, key: &str) -> Option<String> {
        redis::from_redis_value(self.command(&["GET", key]).await).expect("GET answers with a string or nil")
    }

    /// One section of INFO as a map; `"everything"` for all.
    pub async fn info(&self, section: &str) -> BTreeMap<String, String> {
        let text: String = redis::from_redis_value(self.command(&["INFO", section]).await).expect("INFO is text");
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// CONFIG SET; forgotten at a restart.
    pub async fn config_set(&self, name: &str, value: &str) {
        self.command(&["CONFIG", "SET", name, value]).await;
    }

    /// Waits until this replica's link to its primary is up and has caught up with it.
    ///
    /// # Panics
    /// When that takes half a minute.
    pub async fn wait_synced(&self) {
        eventually("the replica's link to be up", PATIENCE, || async {
            self.info("replication").await.get("master_link_status").is_some_and(|status| status == "up")
        })
        .await;
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Whether its process is there, running or stopped.
    pub fn is_alive(&self) -> bool {
        self.process().ended().is_none()
    }

    /// Whether its process is there and not stopped (as far as the machine tells: Linux).
    pub fn is_running(&self) -> bool {
        self.is_alive() && !self.process().is_stopped()
    }

    /// Everything the server has logged, over all restarts.
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// SIGKILL; on return it is gone and its port refuses.
    pub async fn kill(&self) -> Exit {
        self.process().kill().await
    }

    /// SIGTERM; on return it is gone, having saved if it was configured to.
    pub async fn terminate(&self) -> Exit {
        self.process().terminate().await
    }

    /// SIGSTOP: connections are still accepted (by the kernel), and nothing answers.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Lets it have at most `most` file descriptors from here on.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&self, most: u64) {
        self.process().limit_files(most);
    }

    /// Writes the data set to disk, so that a restart finds it.
    pub async fn save(&self) {
        self.command(&["SAVE"]).await;
    }

    /// Kills it (if it runs) and starts it again: same port, same directory, what was saved, nothing else.
    pub async fn restart(&self) {
        self.restart_until(Ready::Answering).await;
    }

    /// As [`Redis::restart`], with an empty data set whatever was saved.
    pub async fn restart_empty(&self) {
        self.kill().await;
        for left in ["dump.rdb", "appendonlydir"] {
            let path = self.scratch.path().join(left);
            // Whichever of the two it is, the other call fails; so do both when nothing was saved.
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir_all(&path);
        }
        self.restart().await;
    }

    async fn restart_until(&self, ready: Ready) {
        self.kill().await;
        *self.process.lock() = Arc::new(self.launch.start());
        self.wait_until(ready).await;
    }

    async fn wait_until(&self, ready: Ready) {
        let process = self.process();
        eventually("redis-server to come up", PATIENCE, || async {
            if let Some(status) = process.ended() {
                panic!("redis-server ended with {status}; its log:\n{}", process.log());
            }
            match ready {
                Ready::Accepting => dial::connect(self.addr()).await.is_ok(),
                Ready::Answering => dial::is_answering(self.addr()).await,
            }
        })
        .await;
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.lock())
    }
}

/// Connects redis-rs to any server of a test, with timeouts (10 s) that are no part of the test.
///
/// # Errors
/// Whatever redis-rs says.
pub async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let timeout = Some(Duration::from_secs(10));
    let config = AsyncConnectionConfig::new().set_connection_timeout(timeout).set_response_timeout(timeout);
    Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
}
