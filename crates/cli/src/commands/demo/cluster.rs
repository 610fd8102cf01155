//! A real cluster of three primaries with a replica each, and everything that is done to it.
//!
//! It is written down as if it had been there before, and started: that takes a second where `redis-cli --cluster create`
//! takes many, and needs no other program. A primary is missed after two seconds, and its replica stands for election. A
//! cluster that is a cache serves the rest while a part is away: `cluster-require-full-coverage no`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use failsoft_core::cluster::Slot;
use redis::{RedisResult, cmd};

use super::error::DemoError;
use super::fill::{self, Entry};
use super::plan::Deed;
use super::reshard::reshard;
use super::server::{Server, UP_WITHIN};
use super::{programs, users};

const SHARDS: usize = 3;
const NODES: usize = 2 * SHARDS;
/// So many slots go from the last shard to the first, with their keys.
const MOVING: usize = 500;

/// Whose primary is killed, whose is paused, and whose slots move; the slots go to the first.
const KILLED: usize = 0;
const PAUSED: usize = 1;
const GIVING: usize = 2;

/// Six servers: the primaries of the beginning, then the replica of each.
#[derive(Debug)]
pub(super) struct Cluster {
    nodes: Vec<Server>,
    killed: Option<usize>,
    paused: Option<usize>,
}

impl Cluster {
    /// Starts it, and puts every user into both caches. Every node takes two of the addresses.
    pub(super) async fn start(folder: &Path, addresses: &[SocketAddr]) -> Result<Self, DemoError> {
        let program = programs::find("redis-server")?;
        let (data, buses) = addresses.split_at(NODES);
        let launch = |node: usize| {
            let lines = format!(
                "cluster-enabled yes\ncluster-port {}\ncluster-announce-ip 127.0.0.1\ncluster-node-timeout 2000\n\
                 cluster-require-full-coverage no\ncluster-replica-validity-factor 0\n",
                buses[node].port()
            );
            let file = nodes_file(data, buses, node);
            Server::launch(&program, folder.join(format!("node-{node}")), data[node], &lines, Some(&file))
        };
        let nodes = (0..NODES).map(launch).collect::<Result<Vec<_>, _>>()?;
        let mut cluster = Self { nodes, killed: None, paused: None };
        cluster.wait_until_up().await?;
        cluster.fill().await.map_err(DemoError::redis("fill Redis"))?;
        Ok(cluster)
    }

    async fn wait_until_up(&mut self) -> Result<(), DemoError> {
        for node in &mut self.nodes {
            node.wait_until_up().await?;
        }
        for node in &self.nodes {
            let is_ok = |info: String| info.contains("cluster_state:ok");
            node.until("the cluster", &["CLUSTER", "INFO"], is_ok).await?;
        }
        Ok(())
    }

    async fn fill(&self) -> RedisResult<()> {
        let entries = fill::keys(1..=users::COUNT);
        for (shard, node) in self.nodes[..SHARDS].iter().enumerate() {
            let slots = slots_of(shard);
            let is_its = |entry: &&Entry| slots.contains(&Slot::of(entry.0.as_bytes()).index());
            let its: Vec<Entry> = entries.iter().filter(is_its).cloned().collect();
            let mut connection = node.connection().await?;
            fill::put(&mut connection, &its).await?;
            let patience_ms = UP_WITHIN.as_millis() as u64;
            let _replicas_that_have_it: u32 = cmd("WAIT").arg(1).arg(patience_ms).query_async(&mut connection).await?;
        }
        Ok(())
    }

    pub(super) async fn suffer(&mut self, deed: Deed) -> Result<(), DemoError> {
        match deed {
            Deed::Nothing => Ok(()),
            Deed::KillPrimary => {
                let primary = self.primary_of(KILLED).await?;
                self.killed = Some(primary);
                self.nodes[primary].kill()
            }
            Deed::MoveSlots => self.move_slots().await,
            Deed::PausePrimary => {
                let primary = self.primary_of(PAUSED).await?;
                self.paused = Some(primary);
                self.nodes[primary].pause()
            }
            Deed::KillRest => self.kill_all().await,
            Deed::Restart => self.restart().await,
            Deed::Empty => self.empty().await,
        }
    }

    /// Who was killed is started first: it comes back as the replica of who has replaced it.
    async fn move_slots(&mut self) -> Result<(), DemoError> {
        if let Some(killed) = self.killed.take() {
            self.nodes[killed].start_again()?;
            self.nodes[killed].wait_until_up().await?;
        }
        let (source, target) = (self.primary_of(GIVING).await?, self.primary_of(KILLED).await?);
        let first = slots_of(GIVING).start().to_owned();
        let others: Vec<&Server> =
            (0..NODES).filter(|node| ![source, target].contains(node)).map(|node| &self.nodes[node]).collect();
        let moved = reshard(first..first + MOVING, &self.nodes[source], &self.nodes[target], &others).await;
        moved.map_err(DemoError::redis("move slots"))
    }

    /// All at once, after what they have was written to disk; what was paused first takes its new place.
    async fn kill_all(&mut self) -> Result<(), DemoError> {
        if let Some(paused) = self.paused.take() {
            self.nodes[paused].resume()?;
            let is_replica = |role: redis::Value| word(&role) == Some(b"slave");
            // Nobody may have taken its place; that is a broken promise already, and no reason not to go on.
            let _ = self.nodes[paused].until("its demotion", &["ROLE"], is_replica).await;
        }
        for node in &self.nodes {
            // A node that feeds a replica from a snapshot refuses to take another meanwhile.
            node.until("a snapshot", &["SAVE"], |()| true).await?;
        }
        self.nodes.iter_mut().try_for_each(Server::kill)
    }

    async fn restart(&mut self) -> Result<(), DemoError> {
        self.nodes.iter_mut().try_for_each(Server::start_again)?;
        for node in &mut self.nodes {
            node.wait_until_up().await?;
        }
        Ok(())
    }

    async fn empty(&mut self) -> Result<(), DemoError> {
        for shard in 0..SHARDS {
            let primary = &self.nodes[self.primary_of(shard).await?];
            primary.ask::<()>(&["FLUSHALL"]).await.map_err(DemoError::redis("empty Redis"))?;
        }
        Ok(())
    }

    /// Which node of the shard says that it is its primary, waiting for one that does.
    async fn primary_of(&self, shard: usize) -> Result<usize, DemoError> {
        let give_up = tokio::time::Instant::now() + UP_WITHIN;
        loop {
            for node in [shard, shard + SHARDS].into_iter().filter(|node| self.is_there(*node)) {
                let role = self.nodes[node].ask::<redis::Value>(&["ROLE"]).await;
                if role.is_ok_and(|role| word(&role) == Some(b"master")) {
                    return Ok(node);
                }
            }
            if tokio::time::Instant::now() >= give_up {
                let log = format!("shard {shard} has no primary");
                return Err(DemoError::NotReady { what: "a primary of each shard", seconds: UP_WITHIN.as_secs(), log });
            }
            tokio::time::sleep(super::server::POLL).await;
        }
    }

    fn is_there(&self, node: usize) -> bool {
        self.killed != Some(node) && self.paused != Some(node)
    }

    /// All, with what they were at the beginning.
    pub(super) fn servers(&self) -> Vec<(&'static str, &Server)> {
        let part = |node| if node < SHARDS { "primary" } else { "replica" };
        self.nodes.iter().enumerate().map(|(node, server)| (part(node), server)).collect()
    }
}

/// The first word of the reply to ROLE.
fn word(role: &redis::Value) -> Option<&[u8]> {
    match role {
        redis::Value::Array(parts) => match parts.first() {
            Some(redis::Value::BulkString(word)) => Some(word),
            _ => None,
        },
        _ => None,
    }
}

/// A third of all slots.
fn slots_of(shard: usize) -> RangeInclusive<usize> {
    let start = |shard: usize| Slot::COUNT * shard / SHARDS;
    start(shard)..=start(shard + 1) - 1
}

/// The cluster as node `own` would have written it down before it was restarted.
fn nodes_file(data: &[SocketAddr], buses: &[SocketAddr], own: usize) -> String {
    let line = |node: usize| {
        let myself = if node == own { "myself," } else { "" };
        let (role, epoch, slots) = match node.checked_sub(SHARDS) {
            None => ("master -".to_owned(), node + 1, format!(" {}-{}", slots_of(node).start(), slots_of(node).end())),
            Some(primary) => (format!("slave {}", id(primary)), 0, String::new()),
        };
        let (id, at, bus) = (id(node), data[node], buses[node].port());
        format!("{id} {at}@{bus} {myself}{role} 0 0 {epoch} connected{slots}\n")
    };
    let vars = format!("vars currentEpoch {NODES} lastVoteEpoch 0\n");
    (0..NODES).map(line).chain([vars]).collect()
}

/// 40 hexadecimal digits that no node of another demo on this machine has.
fn id(node: usize) -> String {
    format!("{:08x}{node:032x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_somebodys_once() {
        let all: Vec<usize> = (0..SHARDS).flat_map(slots_of).collect();
        assert!(all.into_iter().eq(0..Slot::COUNT));
        assert!(MOVING < slots_of(GIVING).count());
    }

    #[test]
    fn the_file_says_who_one_is_and_whom_replicas_follow() {
        let at = |first: u16| (0..6).map(|node| SocketAddr::from(([127, 0, 0, 1], first + node))).collect::<Vec<_>>();
        let file = nodes_file(&at(7_000), &at(8_000), 4);
        let lines: Vec<&str> = file.lines().collect();
        assert!(lines[0].ends_with("127.0.0.1:7000@8000 master - 0 0 1 connected 0-5460"), "{file}");
        assert!(lines[4].ends_with(&format!("127.0.0.1:7004@8004 myself,slave {} 0 0 0 connected", id(1))), "{file}");
        assert_eq!((lines.len(), lines[6]), (7, "vars currentEpoch 6 lastVoteEpoch 0"));
        assert_eq!(id(5).len(), 40);
    }
}
