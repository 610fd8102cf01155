//! `CLUSTER SLOTS`: for each range of slots the nodes that serve it, the primary first.
//!
//! ```text
//! [first, last, [host, port, id, metadata], [host, port, id, metadata], ...]
//! ```
//!
//! The port is already the one for the connection on which the question came. Before 4.0 nodes had no name here: then
//! there is nothing to add to what `CLUSTER NODES` says. The metadata (since 7.0) repeats what clients are not to use.
//!
//! Source: redis.io, "CLUSTER SLOTS"; `clusterReplyMultiBulkSlots` in `src/cluster.c`.

use failsoft_resp::reply;

use super::{Endpoints, Misread, Way, endpoint, id_in, is_aggregate, port_in};

/// What stands before the nodes: the first and the last slot.
const BEFORE_NODES: usize = 2;

/// Reads the reply in `frame`, which came by `way`.
pub(in super::super) fn from_slots(frame: &[u8], way: Way<'_>) -> Result<Endpoints, Misread> {
    let mut endpoints = Endpoints::default();
    if !is_aggregate(frame) {
        return Err(Misread::Shape);
    }
    for range in reply::elements(frame) {
        if !is_aggregate(range) {
            return Err(Misread::Shape);
        }
        reply::elements(range).skip(BEFORE_NODES).try_for_each(|node| note(&mut endpoints, node, way))?;
    }
    Ok(endpoints)
}

fn note(endpoints: &mut Endpoints, node: &[u8], way: Way<'_>) -> Result<(), Misread> {
    let mut fields = reply::elements(node);
    let (Some(host), Some(port)) = (fields.next(), fields.next()) else {
        return Err(Misread::Shape);
    };
    let Some(id) = fields.next() else {
        return Ok(());
    };
    let place = match port_in(port)? {
        Some(port) => endpoint(host, port, way)?,
        None => None,
    };
    endpoints.note(id_in(id)?, place)
}
