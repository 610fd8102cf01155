//! A primary with replicas and the sentinels that watch them, all real, on free loopback ports.
//!
//! [`Sentinels::start`] gives one Redis, two replicas and three sentinels with a quorum of two, which find a primary down after
//! a second and look after what follows more often than by default; [`Sentinels::builder`] other shapes, passwords, and a network that can be cut. The primary is what most of the
//! sentinels that can be asked call so; what a single one believes is to be had from [`Sentinels::word_of`].
//!
//! ```no_run
//! # async fn example() {
//! let group = failsoft_testkit::sentinel::Sentinels::start().await;
//! let primary = group.primary().await;
//! primary.kill().await;
//! group.wait_promoted(primary).await.command(&["SET", "key", "here"]).await;
//! # }
//! ```

mod builder;
mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub use builder::SentinelsBuilder;
pub use server::Server;

use crate::network::{Network, Party};
use crate::together;
use crate::wait::{eventually_ok, eventually_some};

/// What the sentinels call the primary.
pub const NAME: &str = "mymaster";

/// For a failover and what comes after it, on a busy machine; sentinels whose votes were split try again after six seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running group. Dropping it kills all of it.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    network: Option<Network>,
}

impl Sentinels {
    /// A primary, two replicas and three sentinels, as [`Sentinels::builder`] has them.
    ///
    /// # Panics
    /// When `redis-server` is missing or one does not come up.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A group to be: `down-after-milliseconds` 1000, `failover-timeout` 3000.
    pub fn builder() -> SentinelsBuilder {
        SentinelsBuilder::default()
    }

    /// Every Redis, the first primary first.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Every sentinel.
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The URLs of the sentinels, as a client is given them.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }

    /// The Redis that more than half of all sentinels call the primary, and that says so itself.
    ///
    /// # Panics
    /// When there is none for long.
    pub async fn primary(&self) -> &Server {
        eventually_some("a primary that most sentinels agree on", PATIENCE, || self.look_for_primary()).await
    }

    /// Every Redis that is alive and not the primary.
    pub async fn replicas(&self) -> Vec<&Server> {
        let primary = self.primary().await.addr();
        self.servers.iter().filter(|server| server.redis.is_alive() && server.addr() != primary).collect()
    }

    /// What one sentinel calls the primary; `None` when it says nothing.
    pub async fn word_of(&self, sentinel: &Server) -> Option<SocketAddr> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        let (host, port): (String, u16) = sentinel.ask(&words).await?;
        Some((host.parse::<std::net::IpAddr>().ok()?, port).into())
    }

    /// Tells the sentinels to replace the primary although it is well; [`Sentinels::wait_promoted`] waits for the end.
    ///
    /// # Panics
    /// When the sentinel refuses, for instance because no replica is good enough.
    pub async fn failover(&self) {
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.redis.is_running());
        sentinel.expect("a sentinel runs").command(&["SENTINEL", "FAILOVER", NAME]).await;
    }

    /// Waits until another than `lost` is the primary for most sentinels and by its own word, and returns that one.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn wait_promoted(&self, lost: &Server) -> &Server {
        let what = format!("a primary in place of {}", lost.addr());
        eventually_some(&what, PATIENCE, || async {
            self.look_for_primary().await.filter(|primary| primary.addr() != lost.addr())
        })
        .await
    }

    /// Waits until all that are alive agree: every sentinel on the primary and on who else watches it, every other Redis
    /// being a replica that is fed. Dead ones are left out; a stopped one is waited for.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn wait_ok(&self) {
        eventually_ok("primary, replicas and sentinels to agree", PATIENCE, || self.complaint()).await;
    }

    /// Lets nothing pass between these and those, be they [`Server`]s or [`Party::Clients`].
    ///
    /// # Panics
    /// When the group was not built [`partitionable`](SentinelsBuilder::partitionable).
    pub fn partition<A: Into<Party> + Copy, B: Into<Party> + Copy>(&self, these: &[A], those: &[B]) {
        self.network().cut(these, those);
        self.network().cut(those, these);
    }

    /// Lets everything pass again.
    ///
    /// # Panics
    /// As [`Sentinels::partition`].
    pub fn heal(&self) {
        self.network().heal();
    }

    /// Every Redis and sentinel but these: the other side of a partition.
    pub fn all_but(&self, these: &[&Server]) -> Vec<&Server> {
        let all = self.servers.iter().chain(&self.sentinels);
        all.filter(|server| these.iter().all(|excluded| excluded.party != server.party)).collect()
    }

    fn network(&self) -> &Network {
        self.network.as_ref().expect("only a group built `partitionable` has a network of its own")
    }

    async fn look_for_primary(&self) -> Option<&Server> {
        let words = together::all(self.sentinels.iter().map(|sentinel| self.word_of(sentinel))).await;
        let named = |server: &&Server| words.iter().filter(|word| **word == Some(server.addr())).count();
        let server = self.servers.iter().find(|server| named(server) * 2 > self.sentinels.len())?;
        server.says_primary().await.then_some(server)
    }

    async fn complaint(&self) -> Result<(), String> {
        let primary =
            self.look_for_primary().await.ok_or("most sentinels do not agree on a primary that says so too")?;
        let others = self.servers.iter().filter(|server| server.redis.is_alive() && server.addr() != primary.addr());
        for replica in others.clone() {
            if !replica.is_fed().await {
                return Err(format!("redis {} has no copy of the primary", replica.addr()));
            }
        }
        let replicas = others.count();
        let alive: Vec<_> = self.sentinels.iter().filter(|sentinel| sentinel.redis.is_alive()).collect();
        for sentinel in &alive {
            self.complaint_of(sentinel, primary.addr(), replicas, alive.len()).await?;
        }
        Ok(())
    }

    async fn complaint_of(
        &self,
        sentinel: &Server,
        primary: SocketAddr,
        replicas: usize,
        alive: usize,
    ) -> Result<(), String> {
        let name = sentinel.addr();
        let word = self.word_of(sentinel).await;
        if word != Some(primary) {
            return Err(format!("sentinel {name} calls {word:?} the primary"));
        }
        let quorum: Option<String> = sentinel.ask(&["SENTINEL", "CKQUORUM", NAME]).await;
        if !quorum.as_ref().is_some_and(|answer| answer.starts_with(&format!("OK {alive} "))) {
            return Err(format!("sentinel {name} does not find {alive} sentinels: {quorum:?}"));
        }
        let facts: BTreeMap<String, String> = sentinel.ask(&["SENTINEL", "MASTER", NAME]).await.unwrap_or_default();
        let known = facts.get("num-slaves").and_then(|number| number.parse().ok()).unwrap_or(0);
        match facts.get("flags").map(String::as_str) {
            Some("master") if known >= replicas => Ok(()),
            flags => Err(format!("sentinel {name} says of the primary: {flags:?}, {known} replicas")),
        }
    }
}
