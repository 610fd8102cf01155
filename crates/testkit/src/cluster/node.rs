//! One member of a cluster: a Redis with an identity that outlives its role and its process.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use redis::{FromRedisValue, RedisResult, Value};

use super::view::View;
use crate::network::{Gate, Party};
use crate::port::FreePort;
use crate::redis::{Redis, Steady};

/// One node. It is what the builder made it only until the first failover: ask the cluster for roles.
#[derive(Debug)]
pub struct Node {
    pub(super) redis: Redis,
    pub(super) id: String,
    /// Which nodes were a primary and its replicas when the cluster started.
    pub(super) shard: usize,
    pub(super) party: Party,
    pub(super) gates: Option<Gates>,
    pub(super) _bus: FreePort,
    pub(super) steady: Steady,
}

/// What stands before a node whose cluster can be partitioned.
#[derive(Debug)]
pub(super) struct Gates {
    pub(super) data: Gate,
    pub(super) bus: Gate,
}

impl Node {
    /// Its identity: 40 hexadecimal digits, the same for ever.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it tells others and clients that it is.
    pub fn addr(&self) -> SocketAddr {
        self.gates.as_ref().map_or_else(|| self.redis.addr(), |gates| gates.data.addr())
    }

    /// The port of that address.
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// `redis://` and that address, with the password if there is one.
    pub fn url(&self) -> String {
        match self.redis.password() {
            Some(password) => format!("redis://:{password}@{}", self.addr()),
            None => format!("redis://{}", self.addr()),
        }
    }

    /// The server itself: its commands, faults and counts. Reached directly, whatever cuts there are.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// Runs one command on this node, wherever its keys belong.
    ///
    /// # Panics
    /// When it answers with an error or not at all.
    pub async fn command(&self, words: &[&str]) -> Value {
        self.redis.command(words).await
    }

    /// Runs one command on this node and returns its error, whose `code()` is the error's first word.
    ///
    /// # Errors
    /// Whatever the node says: MOVED, ASK, TRYAGAIN, CLUSTERDOWN, ...
    pub async fn try_command(&self, words: &[&str]) -> RedisResult<Value> {
        self.redis.try_command(words).await
    }

    /// SIGKILL; on return its ports refuse.
    pub async fn kill(&self) {
        self.redis.kill().await;
        if let Some(gates) = &self.gates {
            gates.data.shut().await;
            gates.bus.shut().await;
        }
    }

    /// Kills it (if it runs) and starts it again: same ports, same identity, what it knew of the cluster.
    pub async fn restart(&self) {
        self.redis.restart().await;
        if let Some(gates) = &self.gates {
            gates.data.open().await;
            gates.bus.open().await;
        }
    }

    /// SIGSTOP: connections are still accepted (by the kernel), and nothing answers.
    pub fn pause(&self) {
        self.redis.pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.redis.resume();
    }

    /// What it says of the cluster; `None` when it says nothing.
    pub async fn view(&self) -> Option<View> {
        self.ask::<String>(&["CLUSTER", "NODES"]).await.map(|text| View::parse(&text))
    }

    /// What it owns by its own word; nothing when it says nothing.
    pub async fn slots(&self) -> Vec<RangeInclusive<u16>> {
        self.view().await.map(|view| view.own().slots.clone()).unwrap_or_default()
    }

    /// Whether it says that the cluster serves.
    pub async fn says_ok(&self) -> bool {
        self.ask::<String>(&["CLUSTER", "INFO"]).await.is_some_and(|text| text.contains("cluster_state:ok"))
    }

    /// Whether it says that the cluster does not serve, which is not the same as saying nothing.
    pub async fn says_fail(&self) -> bool {
        self.ask::<String>(&["CLUSTER", "INFO"]).await.is_some_and(|text| text.contains("cluster_state:fail"))
    }

    /// Whether its copy of its primary's data is whole and fed.
    pub(super) async fn is_fed(&self) -> bool {
        self.ask::<String>(&["INFO", "replication"]).await.is_some_and(|text| text.contains("master_link_status:up"))
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        self.steady.ask(&self.redis, words).await
    }

    /// Runs a command on the connection that is kept.
    pub(super) async fn ask_patiently(&self, words: &[&str]) -> RedisResult<Value> {
        self.steady.run(&self.redis, words).await
    }
}
