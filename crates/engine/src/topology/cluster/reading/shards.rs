//! `CLUSTER SHARDS`: shards, each a map with its slots and its nodes, which are maps themselves.
//!
//! In RESP2 a map is an array in which names and values alternate, and both are walked alike. Of a node the preferred
//! endpoint is taken, with the port for TLS where that is how the deployment is spoken to. A node that names no such port
//! has one port for everything, as behind something that speaks TLS in its place; the other way round there is nothing
//! to connect to without TLS.
//!
//! Source: redis.io, "CLUSTER SHARDS"; `addNodeDetailsToShardReply` in `src/cluster.c`.

use failsoft_resp::reply::{self, Head};

use super::{Endpoints, Misread, Way, endpoint, id_in, is_aggregate, port_in};
use crate::settings::Security;

/// Reads the reply in `frame`, which came by `way`.
pub(in super::super) fn from_shards(frame: &[u8], way: Way<'_>) -> Result<Endpoints, Misread> {
    let mut endpoints = Endpoints::default();
    for shard in children(frame)? {
        let nodes = field(shard, b"nodes")?.ok_or(Misread::Shape)?;
        children(nodes)?.try_for_each(|node| note(&mut endpoints, node, way))?;
    }
    Ok(endpoints)
}

fn note(endpoints: &mut Endpoints, node: &[u8], way: Way<'_>) -> Result<(), Misread> {
    let id = id_in(field(node, b"id")?.ok_or(Misread::Node)?)?;
    let host = field(node, b"endpoint")?.ok_or(Misread::Node)?;
    let place = match port(node, way.security)? {
        Some(port) => endpoint(host, port, way)?,
        None => None,
    };
    endpoints.note(id, place)
}

fn port(node: &[u8], security: Security) -> Result<Option<u16>, Misread> {
    let named = |name| field(node, name)?.map_or(Ok(None), port_in);
    let (plain, tls) = (named(b"port")?, named(b"tls-port")?);
    Ok(match security {
        Security::Plain => plain,
        Security::Tls => tls.or(plain),
    })
}

/// The value of that name in a map.
fn field<'f>(map: &'f [u8], name: &[u8]) -> Result<Option<&'f [u8]>, Misread> {
    let mut words = children(map)?;
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if matches!(reply::head(key), Some(Head::Bulk(word) | Head::Simple(word)) if word == name) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn children(frame: &[u8]) -> Result<reply::Elements<'_>, Misread> {
    if is_aggregate(frame) { Ok(reply::elements(frame)) } else { Err(Misread::Shape) }
}
