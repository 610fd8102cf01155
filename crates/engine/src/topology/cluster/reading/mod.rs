//! Where clients are to find the nodes of a cluster, from the replies that say so.
//!
//! `CLUSTER NODES` tells how nodes find each other, which need not be how clients do: there may be names instead of
//! addresses, and another port for TLS. `CLUSTER SHARDS` (since Redis 7.0) and `CLUSTER SLOTS` (before) tell what the
//! operator wants clients to be told (`cluster-preferred-endpoint-type`). A host that is absent or empty is the one that
//! was asked; `?` is a node that has no name to be called by.

mod shards;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use failsoft_core::cluster::{Endpoint, MAX_MEMBERS, NodeId, Witness};
use failsoft_resp::reply::{self, Head};

pub(super) use self::shards::from_shards;
pub(super) use self::slots::from_slots;
use crate::settings::Security;

/// A node's answer to `CLUSTER SHARDS` or `CLUSTER SLOTS` is not one of a cluster's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// It is built otherwise.
    #[error("it is not built as Redis builds it")]
    Shape,
    /// A node without a name, an address that is none, or a port that is none.
    #[error("a node in it has no readable name, address or port")]
    Node,
    /// More than [`MAX_MEMBERS`] nodes.
    #[error("it names more than {MAX_MEMBERS} nodes")]
    TooManyMembers,
}

/// How the one who asked has been reached: what is left unsaid means the same for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    /// Where.
    pub(super) asked: &'a Endpoint,
    /// Over what.
    pub(super) security: Security,
}

/// Where clients are to find each node; `None` where it has no name to be called by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(BTreeMap<NodeId, Option<Endpoint>>);

impl Endpoints {
    /// Corrects where `witness` says nodes are. Of nodes that were not told of, its word stays.
    pub fn correct(&self, witness: &mut Witness) {
        for member in &mut witness.members {
            if let Some(endpoint) = self.0.get(&member.id) {
                member.endpoint.clone_from(endpoint);
            }
        }
    }

    fn note(&mut self, id: NodeId, endpoint: Option<Endpoint>) -> Result<(), Misread> {
        let is_full = self.0.len() == MAX_MEMBERS;
        match self.0.entry(id) {
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(_) if is_full => Err(Misread::TooManyMembers),
            Entry::Vacant(place) => {
                place.insert(endpoint);
                Ok(())
            }
        }
    }
}

/// What stands where a node has no name to be called by.
const UNKNOWN: &[u8] = b"?";

/// The node at the host in `frame`.
fn endpoint(frame: &[u8], port: u16, way: Way<'_>) -> Result<Option<Endpoint>, Misread> {
    match reply::head(frame) {
        Some(Head::Nil | Head::Bulk(b"")) => Ok(Some(Endpoint::new(way.asked.host.clone(), port))),
        Some(Head::Bulk(UNKNOWN)) => Ok(None),
        Some(Head::Bulk(host)) => host_in(host).map(|host| Some(Endpoint::new(host, port))),
        _ => Err(Misread::Shape),
    }
}

fn host_in(bytes: &[u8]) -> Result<&str, Misread> {
    std::str::from_utf8(bytes).ok().filter(|host| Endpoint::is_host(host)).ok_or(Misread::Node)
}

fn id_in(frame: &[u8]) -> Result<NodeId, Misread> {
    let Some(Head::Bulk(text)) = reply::head(frame) else {
        return Err(Misread::Shape);
    };
    std::str::from_utf8(text).ok().and_then(NodeId::parse).ok_or(Misread::Node)
}

/// A port; 0 is none.
fn port_in(frame: &[u8]) -> Result<Option<u16>, Misread> {
    match reply::head(frame) {
        Some(Head::Integer(number)) => {
            u16::try_from(number).map(|port| (port != 0).then_some(port)).map_err(|_| Misread::Node)
        }
        _ => Err(Misread::Shape),
    }
}

fn is_aggregate(frame: &[u8]) -> bool {
    matches!(reply::head(frame), Some(Head::Aggregate { .. }))
}
