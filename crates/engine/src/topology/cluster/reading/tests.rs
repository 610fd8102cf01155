//! Replies as real nodes give them, in both protocols, and replies that no honest node gives.
#![allow(clippy::unwrap_used)]

use failsoft_resp::encode;
use proptest::prelude::*;

use super::*;

const A: &str = "d4c902100e44501b02a3b609decbb9badc4ba801";
const B: &str = "82256f1d2dc1c421ab1b6c71b78394c138f34d3f";

/// A value to be encoded.
#[derive(Clone, Debug)]
enum Value {
    Text(&'static str),
    Number(i64),
    Nil,
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

use Value::{List, Map, Nil, Number, Text};

impl Value {
    fn encode(&self, protocol: encode::Protocol, out: &mut Vec<u8>) {
        let resp3 = protocol == encode::Protocol::Resp3;
        match self {
            Text(text) => encode::bulk(out, text.as_bytes()),
            Number(number) => encode::integer(out, *number),
            Nil => encode::nil(out, protocol),
            List(values) => {
                out.extend_from_slice(format!("*{}\r\n", values.len()).as_bytes());
                values.iter().for_each(|value| value.encode(protocol, out));
            }
            Map(fields) => {
                let header =
                    if resp3 { format!("%{}\r\n", fields.len()) } else { format!("*{}\r\n", fields.len() * 2) };
                out.extend_from_slice(header.as_bytes());
                for (name, value) in fields {
                    encode::bulk(out, name.as_bytes());
                    value.encode(protocol, out);
                }
            }
        }
    }
}

type Read = fn(&[u8], Way<'_>) -> Result<Endpoints, Misread>;

/// What is read of `value`, which is the same in both protocols.
fn read(how: Read, value: &Value, security: Security) -> Result<Vec<(String, Option<String>)>, Misread> {
    let asked = Endpoint::new("10.0.0.9", 7000);
    let read = [encode::Protocol::Resp2, encode::Protocol::Resp3].map(|protocol| {
        let mut frame = Vec::new();
        value.encode(protocol, &mut frame);
        how(&frame, Way { asked: &asked, security })
    });
    assert_eq!(read[0], read[1]);
    let [endpoints, _] = read;
    let shown =
        |(id, endpoint): (&NodeId, &Option<Endpoint>)| (id.to_string(), endpoint.as_ref().map(ToString::to_string));
    endpoints.map(|endpoints| endpoints.0.iter().map(shown).collect())
}

fn node(id: &'static str, fields: &[(&'static str, Value)]) -> Value {
    let after = [("role", Text("master")), ("replication-offset", Number(0)), ("health", Text("online"))];
    Map([&[("id", Text(id))], fields, &after].concat())
}

fn shards(nodes: Vec<Value>) -> Value {
    let slots = List(vec![Number(0), Number(5), Number(7), Number(9)]);
    List(vec![
        Map(vec![("slots", slots), ("nodes", List(nodes))]),
        Map(vec![("slots", List(vec![])), ("nodes", List(vec![]))]),
    ])
}

/// What `CLUSTER SHARDS` says of one node that has these fields.
fn from_one_shard(fields: &[(&'static str, Value)], security: Security) -> Result<Option<String>, Misread> {
    read(from_shards, &shards(vec![node(A, fields)]), security).map(|mut read| read.swap_remove(0).1)
}

#[test]
fn the_preferred_endpoint_of_a_node_is_taken() {
    let (port, ip) = (("port", Number(7001)), ("ip", Text("10.0.0.1")));
    let cases = [
        (Text("10.0.0.1"), Some("10.0.0.1:7001")),
        (Text("redis-1.example.com"), Some("redis-1.example.com:7001")),
        (Text("fd00::1"), Some("[fd00::1]:7001")),
        (Nil, Some("10.0.0.9:7001")),
        (Text(""), Some("10.0.0.9:7001")),
        (Text("?"), None),
    ];
    for (endpoint, expected) in cases {
        let fields = [port.clone(), ip.clone(), ("endpoint", endpoint), ("hostname", Text("redis-1.example.com"))];
        assert_eq!(from_one_shard(&fields, Security::Plain), Ok(expected.map(str::to_owned)));
    }
}

#[test]
fn the_port_is_the_one_for_how_the_deployment_is_spoken_to() {
    let endpoint = ("endpoint", Text("h"));
    let (plain, tls) = (("port", Number(7001)), ("tls-port", Number(7443)));
    let cases = [
        (vec![plain.clone(), tls.clone()], "h:7001", "h:7443"),
        (vec![plain], "h:7001", "h:7001"),
        (vec![tls], "", "h:7443"),
        (vec![("port", Number(0))], "", ""),
    ];
    for (ports, over_plain, over_tls) in cases {
        let fields = [&ports[..], std::slice::from_ref(&endpoint)].concat();
        let shown = |security| from_one_shard(&fields, security).unwrap().unwrap_or_default();
        assert_eq!((shown(Security::Plain).as_str(), shown(Security::Tls).as_str()), (over_plain, over_tls));
    }
}

/// Redis 6.2 gives address, port and name; 7.0 adds metadata.
#[test]
fn slots_name_the_nodes_of_each_range() {
    let old = |host, port, id| List(vec![host, Number(port), Text(id)]);
    let metadata = Map(vec![("ip", Text("10.0.0.2")), ("hostname", Text("redis-2.example.com"))]);
    let new = |host, port, id| List(vec![host, Number(port), Text(id), metadata.clone()]);
    let range = |nodes: &[Value]| List([&[Number(0), Number(5460)], nodes].concat());
    let reply = List(vec![range(&[old(Text("10.0.0.1"), 7001, A), new(Nil, 7002, B)]), range(&[new(Nil, 7002, B)])]);
    let expected = |a: Option<&str>, b: Option<&str>| {
        Ok(vec![(B.to_owned(), b.map(str::to_owned)), (A.to_owned(), a.map(str::to_owned))])
    };
    assert_eq!(read(from_slots, &reply, Security::Plain), expected(Some("10.0.0.1:7001"), Some("10.0.0.9:7002")));
    let reply = List(vec![range(&[new(Text("?"), 7001, A), old(Text(""), 7002, B)])]);
    assert_eq!(read(from_slots, &reply, Security::Tls), expected(None, Some("10.0.0.9:7002")));
    let nameless = List(vec![range(&[List(vec![Text("10.0.0.1"), Number(7001)])])]);
    assert_eq!(read(from_slots, &nameless, Security::Plain), Ok(vec![]));
    assert_eq!(read(from_slots, &List(vec![]), Security::Plain), Ok(vec![]));
}

#[test]
fn what_is_built_otherwise_is_refused() {
    let (port, host) = (("port", Number(7001)), ("endpoint", Text("h")));
    for (fields, misread) in [
        (vec![port.clone()], Misread::Node),
        (vec![port.clone(), ("endpoint", Number(1))], Misread::Shape),
        (vec![port.clone(), ("endpoint", Text("a b"))], Misread::Node),
        (vec![("port", Number(65_536)), host.clone()], Misread::Node),
        (vec![("port", Text("7001")), host.clone()], Misread::Shape),
    ] {
        assert_eq!(from_one_shard(&fields, Security::Plain), Err(misread), "{fields:?}");
    }
    for value in [Text("x"), Nil, List(vec![Number(1)]), List(vec![Map(vec![("slots", Nil)])])] {
        assert_eq!(read(from_shards, &value, Security::Plain), Err(Misread::Shape), "{value:?}");
    }
    let nameless = shards(vec![Map(vec![port, host])]);
    assert_eq!(read(from_shards, &nameless, Security::Plain), Err(Misread::Node));
    let short = List(vec![List(vec![Number(0), Number(1), List(vec![Text("h")])])]);
    for value in [Text("x"), List(vec![Number(1)]), short] {
        assert_eq!(read(from_slots, &value, Security::Plain), Err(Misread::Shape), "{value:?}");
    }
}

#[test]
fn a_thousand_nodes_are_read_and_one_more_is_refused() {
    let count = |nodes: usize| {
        let range = |number| format!("*3\r\n:0\r\n:1\r\n*3\r\n$1\r\nh\r\n:7000\r\n$40\r\n{number:040x}\r\n");
        let reply = format!("*{nodes}\r\n{}", (0..nodes).map(range).collect::<String>());
        let asked = Endpoint::new("h", 7000);
        from_slots(reply.as_bytes(), Way { asked: &asked, security: Security::Plain }).map(|read| read.0.len())
    };
    assert_eq!(count(MAX_MEMBERS), Ok(MAX_MEMBERS));
    assert_eq!(count(MAX_MEMBERS + 1), Err(Misread::TooManyMembers));
}

#[test]
fn where_a_node_is_told_of_it_is_there_and_elsewhere_the_witness_is_right() {
    let nodes = format!(
        "{A} 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5\n{B} 10.0.0.2:7002@17002 slave {A} 0 0 1 connected\n"
    );
    let info = b"cluster_state:ok\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n";
    let mut witness = Witness::read(Endpoint::new("h", 7000), info, nodes.as_bytes()).unwrap();
    let id = NodeId::parse(A).unwrap();
    Endpoints(BTreeMap::from([(id, Some(Endpoint::new("redis-1", 7001)))])).correct(&mut witness);
    let hosts =
        witness.members.iter().map(|member| member.endpoint.as_ref().unwrap().host.as_str()).collect::<Vec<_>>();
    assert_eq!(hosts, ["redis-1", "10.0.0.2"]);
    Endpoints(BTreeMap::from([(id, None)])).correct(&mut witness);
    assert_eq!(witness.members[0].endpoint, None);
}

const WORDS: [&str; 12] = ["slots", "nodes", "id", "port", "tls-port", "endpoint", "", "?", "h", "a b", A, B];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(&WORDS[..]).prop_map(Text),
        any::<i64>().prop_map(Number),
        (0i64..70_000).prop_map(Number),
        Just(Nil),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let field = (prop::sample::select(&WORDS[..]), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(List),
            prop::collection::vec(field, 0..6).prop_map(Map),
        ]
    })
}

proptest! {
    #[test]
    fn no_reply_is_too_strange(bytes: Vec<u8>, value in any_value()) {
        let asked = Endpoint::new("h", 7000);
        let way = Way { asked: &asked, security: Security::Tls };
        let _ = (from_shards(&bytes, way), from_slots(&bytes, way));
        let (_, _) = (read(from_shards, &value, Security::Plain), read(from_slots, &value, Security::Plain));
    }
}
