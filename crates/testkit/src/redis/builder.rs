//! What a Redis is started with: a configuration file in its own directory, then arguments.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Redis;
use crate::clock::WallClock;
use crate::port::FreePort;
use crate::process::Launch;
use crate::programs;
use crate::scratch::Scratch;

const DEFAULTS: [(&str, &str); 5] = [
    ("save", "\"\""),
    ("appendonly", "no"),
    ("enable-debug-command", "yes"),
    ("enable-protected-configs", "yes"),
    // A replica's first copy otherwise waits five seconds for company.
    ("repl-diskless-sync-delay", "0"),
];

/// When a starting server counts as started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ready {
    /// It answers anything but LOADING.
    #[default]
    Answering,
    /// It accepts connections; it may well be LOADING.
    Accepting,
}

/// Settings of a [`Redis`] to be.
#[derive(Debug, Default)]
#[must_use = "nothing runs before `start`"]
pub struct RedisBuilder {
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    files: Vec<(String, String)>,
    primary: Option<SocketAddr>,
    port: Option<FreePort>,
    ready: Ready,
    clock: Option<(PathBuf, Vec<String>)>,
}

impl RedisBuilder {
    /// One line of redis.conf: `set("maxmemory", "1mb")`, `set("save", "3600 1")`; `""` is written as an empty string.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let value = if value.is_empty() { "\"\"" } else { value };
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An argument after the configuration file, e.g. `--sentinel`.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Follows `primary`; [`Redis::wait_synced`] waits for the first copy.
    pub fn replica_of(self, primary: &Redis) -> Self {
        self.replica_of_addr(primary.addr())
    }

    /// Follows whatever listens at `primary`: a fault proxy before it, or nobody.
    pub fn replica_of_addr(mut self, primary: SocketAddr) -> Self {
        self.primary = Some(primary);
        self
    }

    /// Listens on a port reserved before, so that others can be told of it first.
    pub fn port(mut self, port: FreePort) -> Self {
        self.port = Some(port);
        self
    }

    /// Goes by this clock, which has to be kept for as long as it runs.
    pub fn clock(mut self, clock: &WallClock) -> Self {
        self.clock = Some(clock.prefix());
        self
    }

    /// A file that it finds in its directory when it starts for the first time.
    pub(crate) fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// How far to wait for it.
    pub fn wait_ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When `redis-server` is missing, or ends instead of coming up; its log is in the message.
    pub async fn start(self) -> Redis {
        let scratch = Scratch::new("redis");
        let port = self.port.unwrap_or_else(FreePort::reserve);
        let file = scratch.path().join("redis.conf");
        let text = configuration(&port, &scratch, self.primary, &self.settings);
        fs::write(&file, text).expect("the temporary directory is writable");
        for (name, content) in &self.files {
            fs::write(scratch.path().join(name), content).expect("the temporary directory is writable");
        }
        let server = programs::find("redis-server", "Redis 7 (Debian: apt install redis-server)");
        let (program, before) = match self.clock {
            Some((env, set)) => (env, [set, vec![server.display().to_string()]].concat()),
            None => (server, Vec::new()),
        };
        let launch = Launch {
            program,
            arguments: [before, vec![file.display().to_string()], self.arguments].concat(),
            account: None,
            directory: scratch.path().to_owned(),
            log: scratch.path().join("redis.log"),
        };
        let password = last_value(&self.settings, "requirepass").map(str::to_owned);
        let redis = Redis {
            process: Mutex::new(Arc::new(launch.start())),
            launch,
            settings: self.settings,
            primary: self.primary,
            password: Mutex::new(password),
            port,
            scratch,
        };
        redis.wait_until(self.ready).await;
        redis
    }
}

/// The value of the last setting of that name, as Redis reads it.
pub(super) fn last_value<'a>(settings: &'a [(String, String)], name: &str) -> Option<&'a str> {
    settings.iter().rev().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

fn configuration(
    port: &FreePort,
    scratch: &Scratch,
    primary: Option<SocketAddr>,
    settings: &[(String, String)],
) -> String {
    let ours = [
        ("bind", "127.0.0.1".to_owned()),
        ("port", port.number().to_string()),
        ("dir", format!("\"{}\"", scratch.path().display())),
    ];
    let follow = primary.map(|addr| ("replicaof", format!("{} {}", addr.ip(), addr.port())));
    let fixed = ours.into_iter().chain(follow).map(|(name, value)| format!("{name} {value}\n"));
    let defaults = DEFAULTS.iter().map(|(name, value)| format!("{name} {value}\n"));
    // Redis adds up `save` lines instead of letting the last one win, except after an empty one.
    let chosen = settings.iter().map(|(name, value)| format!("{name} {value}\n"));
    fixed.chain(defaults).chain(chosen).collect()
}
