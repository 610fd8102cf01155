//! How a command is spread over a cluster, and how the shards' replies become one.
//!
//! What Redis calls the request and response policies of its command tips, held against a live server by
//! `tests/live_commands.rs`. Where Redis says "all nodes" it is all shards here: what a replica is told it forgets when
//! it is next made a copy of its primary. Where Redis says "special" and there is no answer that one server could have
//! given (INFO, LATENCY, MEMORY STATS, FUNCTION STATS) one shard is asked, as for every command without a policy. What is
//! about its own connection (PING, WAIT, CLIENT SETNAME) is not spread at all.

/// To whom a command goes in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Whole, to one shard: the one its keys are on; without keys, any.
    Whole,
    /// Taken apart by the slots of its keys, each part to its shard.
    Keys(Merge),
    /// Whole, to every shard.
    Shards(Merge),
    /// To one shard after the other, as its cursor says: SCAN.
    Cursor,
}

/// How replies of several shards become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Merge {
    /// An element for each key, in the order of the keys.
    InOrder,
    /// The sum of the numbers.
    Sum,
    /// A list of truth values, each of them true where it is true everywhere.
    Everywhere,
    /// What all of them say, if none refuses: `OK`, or the name of what each has been given.
    Unanimous,
    /// What one of them says that does not refuse.
    AnyOne,
    /// The elements of all, shard by shard.
    Concat,
    /// The elements of all, each once.
    Union,
    /// Names with numbers: the sum of each name's.
    SumByName,
    /// The first that is not nil.
    FirstFound,
}
