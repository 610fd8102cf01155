//! One process of the group: a Redis, or a sentinel, which is a Redis of another kind.

use std::net::SocketAddr;

use redis::{FromRedisValue, RedisResult, Value};

use crate::network::{Gate, Party};
use crate::redis::{Redis, Steady};

/// A Redis or a sentinel of [`Sentinels`](super::Sentinels). Which Redis is the primary changes: ask the group.
#[derive(Debug)]
pub struct Server {
    pub(super) redis: Redis,
    pub(super) party: Party,
    pub(super) gate: Option<Gate>,
    pub(super) steady: Steady,
    /// What it is told after every start.
    pub(super) orders: &'static [&'static str],
}

impl Server {
    /// Where it tells others that it is.
    pub fn addr(&self) -> SocketAddr {
        self.gate.as_ref().map_or_else(|| self.redis.addr(), Gate::addr)
    }

    /// The port of that address.
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// `redis://` and that address, with the password of the default user if there is one.
    pub fn url(&self) -> String {
        match self.redis.password() {
            Some(password) => format!("redis://:{password}@{}", self.addr()),
            None => format!("redis://{}", self.addr()),
        }
    }

    /// The process itself: its commands, faults and counts. Reached directly, whatever cuts there are.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// Runs one command on it.
    ///
    /// # Panics
    /// When it answers with an error or not at all.
    pub async fn command(&self, words: &[&str]) -> Value {
        self.redis.command(words).await
    }

    /// Runs one command on it and returns its error, whose `code()` is the error's first word.
    ///
    /// # Errors
    /// Whatever it says.
    pub async fn try_command(&self, words: &[&str]) -> RedisResult<Value> {
        self.redis.try_command(words).await
    }

    /// SIGKILL; on return its port refuses.
    pub async fn kill(&self) {
        self.redis.kill().await;
        if let Some(gate) = &self.gate {
            gate.shut().await;
        }
    }

    /// Kills it (if it runs) and starts it again at its port, as its file has it: a primary that was replaced while it was
    /// down comes back as a primary, until the sentinels have seen that for four of their publishing periods.
    pub async fn restart(&self) {
        self.redis.restart().await;
        self.order().await;
        if let Some(gate) = &self.gate {
            gate.open().await;
        }
    }

    /// SIGSTOP: connections are still accepted (by the kernel), and nothing answers.
    pub fn pause(&self) {
        self.redis.pause();
    }

    /// SIGCONT. A sentinel that was stopped for more than two seconds mistrusts its clock and decides nothing for a while
    /// (TILT).
    pub fn resume(&self) {
        self.redis.resume();
    }

    /// Whether it says of itself that it is a primary.
    pub async fn says_primary(&self) -> bool {
        self.replication().await.is_some_and(|text| text.contains("role:master"))
    }

    /// Whether it is a replica whose copy is whole and fed.
    pub async fn is_fed(&self) -> bool {
        self.replication().await.is_some_and(|text| text.contains("master_link_status:up"))
    }

    pub(super) async fn order(&self) {
        if !self.orders.is_empty() {
            self.redis.command(self.orders).await;
        }
    }

    async fn replication(&self) -> Option<String> {
        self.ask(&["INFO", "replication"]).await
    }

    pub(super) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        self.steady.ask(&self.redis, words).await
    }
}

impl From<&Server> for Party {
    fn from(server: &Server) -> Self {
        server.party
    }
}
