//! One node is asked how its cluster is, and becomes a witness.
//!
//! Three questions in one write, so that the answers are of one moment. Where `CLUSTER SHARDS` is refused, in whatever
//! words, `CLUSTER SLOTS` is asked: versions before 7.0 do not know it, and services in Redis' clothes word that as they
//! like.

use std::time::Duration;

use failsoft_core::cluster::{ClusterInfo, Endpoint, Witness};
use failsoft_core::outcome::Silence;
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Head};
use tokio::time::timeout;

use super::Unheard;
use super::reading::{Endpoints, Way, from_shards, from_slots};
use crate::node::{NodeOptions, handshake};
use crate::settings::NodeAddress;
use crate::topology::replies::Replies;
use crate::wire::Wire;

/// What stands for the host of a node that was asked over a socket in the file system: it is on this machine.
const THIS_MACHINE: &str = "localhost";

/// Connects to a node and asks it, within its timeouts for connecting and for one reply.
///
/// # Errors
/// Why it is no witness.
pub async fn interview(options: &NodeOptions) -> Result<Witness, Unheard> {
    let mut wire = handshake::connect(options, Protocol::Resp2).await.map_err(Unheard::Failed)?;
    question(&mut wire, &options.address, options.timeout).await
}

/// Asks the node at `address` over `wire`, on which nothing is outstanding, for `patience` at most.
///
/// The endpoints of the witness are those that clients are to use. On an error the connection is of no use any more.
///
/// # Errors
/// Why it is no witness; never [`Unheard::Failed`].
pub async fn question(wire: &mut Wire, address: &NodeAddress, patience: Duration) -> Result<Witness, Unheard> {
    let asked = match address {
        NodeAddress::Tcp { host, port, .. } => Endpoint::new(host.clone(), *port),
        NodeAddress::Unix { .. } => Endpoint::new(THIS_MACHINE, 0),
    };
    let way = Way { asked: &asked, security: address.security() };
    timeout(patience, converse(wire, way)).await.unwrap_or(Err(Unheard::Silent(Silence::Timeout)))
}

async fn converse(wire: &mut Wire, way: Way<'_>) -> Result<Witness, Unheard> {
    let mut replies = Replies::of(wire);
    replies.ask(&commands(&["INFO", "NODES", "SHARDS"])).await.map_err(Unheard::Silent)?;
    let info = replies.next().await.map_err(Unheard::Silent)?;
    let nodes = replies.next().await.map_err(Unheard::Silent)?;
    let shards = replies.next().await.map_err(Unheard::Silent)?;
    let mut witness = Witness::read(way.asked.clone(), text(&info)?, text(&nodes)?)?;
    endpoints(&mut replies, &shards, way).await?.correct(&mut witness);
    replies.end().map_err(Unheard::Silent)?;
    Ok(witness)
}

/// Asks a node, over a connection on which nothing is outstanding, how it is, and nothing else.
///
/// # Errors
/// As [`question`].
pub(super) async fn info(wire: &mut Wire) -> Result<ClusterInfo, Unheard> {
    let mut replies = Replies::of(wire);
    replies.ask(&commands(&["INFO"])).await.map_err(Unheard::Silent)?;
    let info = replies.next().await.map_err(Unheard::Silent)?;
    replies.end().map_err(Unheard::Silent)?;
    Ok(ClusterInfo::parse(text(&info)?)?)
}

async fn endpoints(replies: &mut Replies<'_>, shards: &[u8], way: Way<'_>) -> Result<Endpoints, Unheard> {
    if !matches!(reply::head(shards), Some(Head::Error(_))) {
        return Ok(from_shards(shards, way)?);
    }
    replies.ask(&commands(&["SLOTS"])).await.map_err(Unheard::Silent)?;
    let slots = replies.next().await.map_err(Unheard::Silent)?;
    match reply::head(&slots) {
        Some(Head::Error(text)) => Err(Unheard::from_error(text)),
        _ => Ok(from_slots(&slots, way)?),
    }
}

fn commands(questions: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for question in questions {
        encode::command(&mut bytes, [&b"CLUSTER"[..], question.as_bytes()]);
    }
    bytes
}

/// The text of a reply. One that is neither text nor an error is none of a cluster's node, and will be found unreadable.
fn text(frame: &[u8]) -> Result<&[u8], Unheard> {
    match reply::head(frame) {
        Some(Head::Bulk(text)) => Ok(text),
        Some(Head::Error(text)) => Err(Unheard::from_error(text)),
        _ => Ok(&[]),
    }
}

#[cfg(test)]
mod tests;
