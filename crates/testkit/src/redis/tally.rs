//! What a server has been asked so far, by its own count: INFO's statistics, and which commands are reads and writes.
//!
//! A command that was turned away (MOVED, CLUSTERDOWN, OOM, ...) has reached the server as well, and counts. So do the writes
//! that a replica repeats after its primary: they are told from a client's by asking the primary too.

use std::collections::{BTreeMap, BTreeSet};

use redis::aio::MultiplexedConnection;

use super::Redis;

/// Counts since the server started, or since an earlier tally.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By Redis' own name, in lower case: `get`, `config|set`.
    commands: BTreeMap<String, u64>,
    reads: u64,
    writes: u64,
    connections: u64,
    refused_connections: u64,
}

impl Tally {
    /// How often `command` came (`get`, `cluster|nodes`), executed or turned away.
    pub fn of(&self, command: &str) -> u64 {
        self.commands.get(command).copied().unwrap_or_default()
    }

    /// Every command that came, with its count.
    pub fn commands(&self) -> &BTreeMap<String, u64> {
        &self.commands
    }

    /// Commands of Redis' category @read.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Commands of Redis' category @write.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Connections of clients and replicas that were accepted; the cluster's bus is not among them.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Connections beyond `maxclients`; they are not among [`Tally::connections`].
    pub fn refused_connections(&self) -> u64 {
        self.refused_connections
    }

    /// What came between `earlier` and this tally; the connection this tally was taken over is left out.
    ///
    /// # Panics
    /// When a count went back: the server was restarted in between.
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: u64, then: u64| now.checked_sub(then).expect("the server was restarted between two tallies");
        let grown = self.commands.iter().map(|(name, count)| (name.clone(), less(*count, earlier.of(name))));
        Self {
            commands: grown.filter(|(_, count)| *count > 0).collect(),
            reads: less(self.reads, earlier.reads),
            writes: less(self.writes, earlier.writes),
            connections: less(self.connections, earlier.connections + 1),
            refused_connections: less(self.refused_connections, earlier.refused_connections),
        }
    }
}

impl Redis {
    /// The counts of this moment.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn tally(&self) -> Tally {
        let mut connection = self.connection().await;
        let reads = category(&mut connection, "read").await;
        let writes = category(&mut connection, "write").await;
        let info: String =
            redis::cmd("INFO").arg("everything").query_async(&mut connection).await.expect("INFO is text");
        let fields: BTreeMap<&str, &str> = info.lines().filter_map(|line| line.split_once(':')).collect();
        let counted = fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("cmdstat_")?, arrivals(value))));
        let commands: BTreeMap<String, u64> = counted.map(|(name, count)| (name.to_owned(), count)).collect();
        let number = |name: &str| fields[name].parse().expect("Redis counts in numbers");
        Tally {
            reads: sum(&commands, &reads),
            writes: sum(&commands, &writes),
            connections: number("total_connections_received"),
            refused_connections: number("rejected_connections"),
            commands,
        }
    }
}

async fn category(connection: &mut MultiplexedConnection, name: &str) -> BTreeSet<String> {
    let mut command = redis::cmd("COMMAND");
    command.arg("LIST").arg("FILTERBY").arg("ACLCAT").arg(name);
    command.query_async(connection).await.expect("Redis 7 lists the commands of a category")
}

/// Of `calls=3,usec=9,...,rejected_calls=1,failed_calls=0`: those that were executed, and those that were turned away.
fn arrivals(statistics: &str) -> u64 {
    let field =
        |name: &str| statistics.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    field("calls").unwrap_or(0) + field("rejected_calls").unwrap_or(0)
}

fn sum(commands: &BTreeMap<String, u64>, category: &BTreeSet<String>) -> u64 {
    commands.iter().filter(|(name, _)| category.contains(*name)).map(|(_, count)| count).sum()
}
