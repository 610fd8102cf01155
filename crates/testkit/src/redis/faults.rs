//! Redis broken from inside, one method for each error word it can be brought to say.
//!
//! Each method returns once the fault can be observed, and [`Redis::heal`] takes back all of them that a command
//! can take back. What needs another process is next door: `kill`, `pause`, `limit_files`.

use std::fs;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::builder::last_value;
use super::{PATIENCE, Ready, Redis, dial};
use crate::wait::eventually;

/// Nobody listens on the loopback's port 1.
const NOWHERE: [&str; 2] = ["127.0.0.1", "1"];

/// Refusals in a row after which a server counts as full: a connection that is just going may free one place.
const REFUSALS: usize = 5;

/// Which commands CLIENT PAUSE holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Every command of every client.
    All,
    /// Commands that may write.
    Writes,
}

/// Connections that occupy every place a Redis has; dropping them frees the places.
#[derive(Debug)]
#[must_use = "dropping the crowd frees its places"]
pub struct Crowd {
    held: Vec<TcpStream>,
}

impl Crowd {
    /// How many connections it holds.
    pub fn size(&self) -> usize {
        self.held.len()
    }
}

impl Redis {
    /// LOADING: saves, restarts, and takes about `lasting` to load (filler keys `testkit:filler:*` are added).
    ///
    /// Returns as soon as it accepts connections.
    pub async fn restart_loading(&self, lasting: Duration) {
        const KEYS: u128 = 1000;
        // Values of one kilobyte: with the smallest interval Redis allows, it answers between any two of them.
        self.command(&["DEBUG", "POPULATE", &KEYS.to_string(), "testkit:filler", "1024"]).await;
        self.save().await;
        let delay_us = (lasting.as_micros() / KEYS).to_string();
        let mut slow = self.launch.clone();
        let settings = ["--key-load-delay", &delay_us, "--loading-process-events-interval-bytes", "1024"];
        slow.arguments.extend(settings.map(str::to_owned));
        self.kill().await;
        *self.process.lock() = slow.start().into();
        self.wait_until(Ready::Accepting).await;
    }

    /// Waits until LOADING, or anything else it says instead of PONG, is over.
    ///
    /// # Panics
    /// When that takes half a minute.
    pub async fn wait_answering(&self) {
        eventually("redis to answer PING", PATIENCE, || async {
            dial::first_word_of_ping(self.addr()).await.is_some_and(|word| word == "+PONG" || word == "-NOAUTH")
        })
        .await;
    }

    /// BUSY: an endless script, until [`Redis::script_kill`].
    pub async fn busy_script(&self) {
        self.config_set("busy-reply-threshold", "50").await;
        self.in_background(&["EVAL", "while true do end", "0"]).await;
        eventually("redis to be BUSY", PATIENCE, || async {
            // Asked with credentials: without them a password is all a busy server talks about.
            let Ok(mut stream) = dial::connect(self.addr()).await else { return false };
            self.authenticate(&mut stream).await;
            dial::ask(&mut stream, &["PING"]).await.is_some_and(|line| line.starts_with("-BUSY"))
        })
        .await;
    }

    /// SCRIPT KILL; without a script running, nothing.
    pub async fn script_kill(&self) {
        let mut stream = self.dial().await;
        let answer = dial::ask(&mut stream, &["SCRIPT", "KILL"]).await.unwrap_or_default();
        assert!(answer == "+OK" || answer.starts_with("-NOTBUSY"), "SCRIPT KILL was answered {answer:?}");
    }

    /// DEBUG SLEEP: sent on a connection of its own and not waited for; the whole server sleeps.
    pub async fn debug_sleep(&self, lasting: Duration) {
        self.in_background(&["DEBUG", "SLEEP", &lasting.as_secs_f64().to_string()]).await;
    }

    /// CLIENT PAUSE for `lasting`, or until [`Redis::heal`].
    pub async fn client_pause(&self, lasting: Duration, pause: Pause) {
        let which = match pause {
            Pause::All => "ALL",
            Pause::Writes => "WRITE",
        };
        self.command(&["CLIENT", "PAUSE", &lasting.as_millis().to_string(), which]).await;
    }

    /// OOM: every command that may need memory is refused; reads and DEL work.
    pub async fn oom(&self) {
        self.config_set("maxmemory-policy", "noeviction").await;
        self.config_set("maxmemory", "1").await;
    }

    /// MISCONF: a snapshot has failed (its file's name is a directory's), so writes are refused, DEL too.
    pub async fn misconf(&self) {
        fs::create_dir_all(self.scratch.path().join("not-a-file")).expect("the temporary directory is writable");
        self.config_set("dbfilename", "not-a-file").await;
        self.config_set("save", "3600 1000000").await;
        self.config_set("stop-writes-on-bgsave-error", "yes").await;
        self.command(&["BGSAVE"]).await;
        eventually("the snapshot to fail", PATIENCE, || async {
            self.info("persistence").await.get("rdb_last_bgsave_status").is_some_and(|status| status == "err")
        })
        .await;
    }

    /// NOREPLICAS: writes are refused for want of 100 replicas.
    pub async fn noreplicas(&self) {
        self.config_set("min-replicas-to-write", "100").await;
    }

    /// MASTERDOWN: a replica of nobody that refuses to serve what it has.
    pub async fn masterdown(&self) {
        self.config_set("replica-serve-stale-data", "no").await;
        self.follow_nobody().await;
    }

    /// READONLY: a demoted primary, which serves reads and refuses writes.
    pub async fn readonly(&self) {
        self.config_set("replica-serve-stale-data", "yes").await;
        self.follow_nobody().await;
    }

    /// REPLICAOF NO ONE.
    pub async fn promote(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]).await;
    }

    /// REPLICAOF `primary`.
    pub async fn follow(&self, primary: &Redis) {
        self.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).await;
    }

    /// NOAUTH for whoever comes without it, WRONGPASS for the old one; [`Redis::url`] has the new one from here on.
    pub async fn require_password(&self, password: &str) {
        self.config_set("requirepass", password).await;
        *self.password.lock() = Some(password.to_owned());
    }

    /// NOPERM: a user with these rules (`"~cache:* +get"`); its URL is [`Redis::url_of`].
    pub async fn acl_user(&self, name: &str, password: &str, rules: &str) {
        let secret = format!(">{password}");
        let fixed = ["ACL", "SETUSER", name, "reset", "on", &secret];
        let words: Vec<&str> = fixed.into_iter().chain(rules.split_whitespace()).collect();
        self.command(&words).await;
    }

    /// Max clients: allows `most` connections and takes every place that is free.
    ///
    /// Commands through this handle are refused as everybody's are, until the crowd is dropped.
    pub async fn max_clients(&self, most: usize) -> Crowd {
        let mut first = self.dial().await;
        let answer = dial::ask(&mut first, &["CONFIG", "SET", "maxclients", &most.to_string()]).await;
        assert_eq!(answer.as_deref(), Some("+OK"), "CONFIG SET maxclients");
        let mut held = vec![first];
        let mut refused = 0;
        while refused < REFUSALS {
            match self.take_place().await {
                Some(stream) => {
                    held.push(stream);
                    refused = 0;
                }
                None => refused += 1,
            }
        }
        Crowd { held }
    }

    /// Takes back what a command can take back: scripts, pauses, and every setting changed in this file but the password.
    pub async fn heal(&self) {
        self.script_kill().await;
        self.command(&["CLIENT", "UNPAUSE"]).await;
        for (name, usual) in [
            ("replica-serve-stale-data", "yes"),
            ("min-replicas-to-write", "0"),
            ("maxmemory", "0"),
            ("maxmemory-policy", "noeviction"),
            ("dbfilename", "dump.rdb"),
            ("save", ""),
            ("maxclients", "10000"),
        ] {
            let configured = last_value(&self.settings, name).unwrap_or(usual);
            self.config_set(name, configured.trim_matches('"')).await;
        }
        match self.primary {
            Some(addr) => self.command(&["REPLICAOF", &addr.ip().to_string(), &addr.port().to_string()]).await,
            None => self.command(&["REPLICAOF", "NO", "ONE"]).await,
        };
    }

    async fn follow_nobody(&self) {
        self.command(&["REPLICAOF", NOWHERE[0], NOWHERE[1]]).await;
    }

    async fn take_place(&self) -> Option<TcpStream> {
        let mut stream = dial::connect(self.addr()).await.ok()?;
        let answer = dial::ask(&mut stream, &["PING"]).await?;
        (!answer.contains("max number of clients")).then_some(stream)
    }

    /// Sends a command on its own connection, which stays open until it is answered or cut.
    async fn in_background(&self, words: &[&str]) {
        let mut stream = self.dial().await;
        dial::send(&mut stream, words).await.expect("redis has just accepted the connection");
        tokio::spawn(async move {
            // Whatever comes, an answer or the end, this connection is no longer needed.
            let _ = stream.read(&mut [0]).await;
        });
    }

    async fn dial(&self) -> TcpStream {
        let connected = dial::connect(self.addr()).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("cannot connect to redis {}: {error}", self.addr()));
        self.authenticate(&mut stream).await;
        stream
    }

    async fn authenticate(&self, stream: &mut TcpStream) {
        let password = self.password.lock().clone();
        if let Some(password) = password {
            // A busy or loading server refuses AUTH too; the command that follows will say so.
            let _ = dial::ask(stream, &["AUTH", &password]).await;
        }
    }
}
