//! What a client is told that asks a cluster about itself: failsoft is the owner of every slot.
//!
//! A client that knows clusters asks who owns which slot, goes there, and expects a MOVED where it was wrong. Told of the
//! real nodes it would go past failsoft. So before a cluster failsoft answers for the cluster, as a cluster of one node
//! would: itself, at the address that the client has come to. Such a client then sends everything here, and is never
//! told MOVED. What it says to a node of a cluster about its connection (READONLY, READWRITE, ASKING) is agreed to, as
//! the primary of every slot does.
//!
//! That the cluster behind is well is not claimed by `CLUSTER INFO`: it tells of this one node, which serves every slot.
//! What would change the cluster is refused: it would be done to one node of which the client knows nothing.

mod address;
mod tables;
#[cfg(test)]
mod tests;

use failsoft_core::cluster::Slot;
use failsoft_resp::Protocol;
use failsoft_resp::commands::Arguments;
use failsoft_resp::encode;

pub(super) use address::Address;

/// A word about a cluster, or to a node of one, that is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `READONLY`, `READWRITE`, `ASKING`
    Agreed,
    /// `CLUSTER SLOTS`
    Slots,
    /// `CLUSTER SHARDS`
    Shards,
    /// `CLUSTER NODES`
    Nodes,
    /// `CLUSTER INFO`
    Info,
    /// `CLUSTER LINKS`
    Links,
    /// `CLUSTER MYID`
    MyId,
    /// `CLUSTER MYSHARDID`
    MyShardId,
    /// `CLUSTER KEYSLOT key`
    KeySlot,
    /// `CLUSTER REPLICAS id`, also by its old name
    Replicas,
    /// `CLUSTER COUNT-FAILURE-REPORTS id`
    FailureReports,
    /// A subcommand that would change the cluster
    Forbidden,
    /// A subcommand that is not known: of a newer server, it may be one that changes the cluster
    Unknown,
}

impl Word {
    /// The word with which this command of the table is named, if it is answered here; its number of arguments is right.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "readonly" | "readwrite" | "asking" => Self::Agreed,
            "cluster|slots" => Self::Slots,
            "cluster|shards" => Self::Shards,
            "cluster|nodes" => Self::Nodes,
            "cluster|info" => Self::Info,
            "cluster|links" => Self::Links,
            "cluster|myid" => Self::MyId,
            "cluster|myshardid" => Self::MyShardId,
            "cluster|keyslot" => Self::KeySlot,
            "cluster|replicas" | "cluster|slaves" => Self::Replicas,
            "cluster|count-failure-reports" => Self::FailureReports,
            "cluster|addslots"
            | "cluster|addslotsrange"
            | "cluster|bumpepoch"
            | "cluster|delslots"
            | "cluster|delslotsrange"
            | "cluster|failover"
            | "cluster|flushslots"
            | "cluster|forget"
            | "cluster|meet"
            | "cluster|replicate"
            | "cluster|reset"
            | "cluster|saveconfig"
            | "cluster|set-config-epoch"
            | "cluster|setslot" => Self::Forbidden,
            "cluster" => Self::Unknown,
            _ => return None,
        })
    }

    /// Appends the answer to `command` that a client is given which has come to `address`.
    pub(super) fn answer<A>(self, command: &A, address: &Address, protocol: Protocol, out: &mut Vec<u8>)
    where
        A: Arguments + ?Sized,
    {
        let argument = command.at(2).unwrap_or_default();
        match self {
            Self::Agreed => encode::simple(out, "OK"),
            Self::Slots => tables::slots(address, protocol, out),
            Self::Shards => tables::shards(address, protocol, out),
            Self::Nodes => encode::text(out, &tables::nodes(address), protocol),
            Self::Info => encode::text(out, tables::INFO, protocol),
            Self::Links => encode::array_header(out, 0),
            Self::MyId => encode::bulk(out, address.id().as_bytes()),
            Self::MyShardId => encode::bulk(out, address.shard_id().as_bytes()),
            Self::KeySlot => encode::integer(out, i64::from(Slot::of(argument).number())),
            Self::Replicas if is_own(argument, address) => encode::array_header(out, 0),
            Self::FailureReports if is_own(argument, address) => encode::integer(out, 0),
            Self::Replicas | Self::FailureReports => {
                encode::error(out, &format!("ERR Unknown node {}", String::from_utf8_lossy(argument)));
            }
            Self::Forbidden => encode::error(out, &refusal(command.at(1).unwrap_or_default())),
            Self::Unknown => encode::error(out, &unknown(command.at(1).unwrap_or_default())),
        }
    }
}

fn is_own(id: &[u8], address: &Address) -> bool {
    id.eq_ignore_ascii_case(address.id().as_bytes())
}

/// In the words of Redis, cut as there.
fn unknown(subcommand: &[u8]) -> String {
    const MOST_TOLD: usize = 128;
    let told = String::from_utf8_lossy(&subcommand[..subcommand.len().min(MOST_TOLD)]).into_owned();
    format!("ERR unknown subcommand '{told}'. Try CLUSTER HELP.")
}

fn refusal(subcommand: &[u8]) -> String {
    let subcommand = String::from_utf8_lossy(subcommand).to_uppercase();
    format!(
        "ERR CLUSTER {subcommand} would change the cluster, which failsoft does not: ask the node that it is meant for"
    )
}
