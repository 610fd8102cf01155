//! The tables of a cluster of one node, as Redis 7.0 writes them.
//!
//! Source: `clusterReplyMultiBulkSlots`, `clusterReplyShards` and `clusterGenNodeDescription` in `src/cluster.c`, and
//! what a cluster of one node says (`tests.rs`).

use failsoft_core::cluster::Slot;
use failsoft_resp::Protocol;
use failsoft_resp::encode;

use super::address::Address;
use crate::listener::Speech;

/// `CLUSTER INFO`
pub(super) const INFO: &str = "cluster_state:ok\r\n\
    cluster_slots_assigned:16384\r\n\
    cluster_slots_ok:16384\r\n\
    cluster_slots_pfail:0\r\n\
    cluster_slots_fail:0\r\n\
    cluster_known_nodes:1\r\n\
    cluster_size:1\r\n\
    cluster_current_epoch:0\r\n\
    cluster_my_epoch:0\r\n\
    cluster_stats_messages_sent:0\r\n\
    cluster_stats_messages_received:0\r\n\
    total_cluster_links_buffer_limit_exceeded:0\r\n";

/// `CLUSTER SLOTS`: one range, its primary with place, name and further facts, of which there are none.
pub(super) fn slots(address: &Address, protocol: Protocol, out: &mut Vec<u8>) {
    encode::array_header(out, 1);
    encode::array_header(out, 3);
    all_slots(out);
    encode::array_header(out, 4);
    encode::bulk(out, address.host.as_bytes());
    encode::integer(out, i64::from(address.port));
    encode::bulk(out, address.id().as_bytes());
    encode::map_header(out, 0, protocol);
}

/// `CLUSTER SHARDS`
pub(super) fn shards(address: &Address, protocol: Protocol, out: &mut Vec<u8>) {
    encode::array_header(out, 1);
    encode::map_header(out, 2, protocol);
    encode::bulk(out, b"slots");
    encode::array_header(out, 2);
    all_slots(out);
    encode::bulk(out, b"nodes");
    encode::array_header(out, 1);
    node(address, protocol, out);
}

fn node(address: &Address, protocol: Protocol, out: &mut Vec<u8>) {
    let ip = if address.name().is_some() { "" } else { &address.host };
    let port = match address.speech {
        Speech::Plain => "port",
        Speech::Tls => "tls-port",
    };
    encode::map_header(out, 7 + usize::from(address.name().is_some()), protocol);
    fact(out, "id", &address.id());
    encode::bulk(out, port.as_bytes());
    encode::integer(out, i64::from(address.port));
    fact(out, "ip", ip);
    fact(out, "endpoint", &address.host);
    if let Some(name) = address.name() {
        fact(out, "hostname", name);
    }
    fact(out, "role", "master");
    encode::bulk(out, b"replication-offset");
    encode::integer(out, 0);
    fact(out, "health", "online");
}

/// `CLUSTER NODES`. There is no bus, so its port is 0.
pub(super) fn nodes(address: &Address) -> String {
    let Address { host, port, .. } = address;
    let name = address.name().map(|name| format!(",{name}")).unwrap_or_default();
    format!("{} {host}:{port}@0{name} myself,master - 0 0 0 connected {}-{}\n", address.id(), Slot::FIRST, Slot::LAST)
}

fn all_slots(out: &mut Vec<u8>) {
    encode::integer(out, i64::from(Slot::FIRST.number()));
    encode::integer(out, i64::from(Slot::LAST.number()));
}

fn fact(out: &mut Vec<u8>, name: &str, value: &str) {
    encode::bulk(out, name.as_bytes());
    encode::bulk(out, value.as_bytes());
}
