//! failsoft's tables held against those of a real cluster of one node, byte for byte.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_resp::commands;
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;

use super::*;
use crate::listener::Speech;

const PATIENCE: Duration = Duration::from_secs(20);

fn said(call: &str, address: &Address, protocol: Protocol) -> String {
    let words: Vec<&str> = call.split(' ').collect();
    let spec = commands::lookup(words[0].as_bytes(), words.get(1).map(|word| word.as_bytes())).unwrap();
    let mut out = Vec::new();
    Word::of(spec.name).unwrap().answer(&words[..], address, protocol, &mut out);
    String::from_utf8(out).unwrap()
}

async fn cluster_of_one() -> Redis {
    let builder = Redis::builder().set("cluster-enabled", "yes").set("cluster-announce-ip", "127.0.0.1");
    let redis = builder.start().await;
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the cluster to be ok", PATIENCE, || async {
        let info: String = redis::from_redis_value(redis.command(&["CLUSTER", "INFO"]).await).unwrap();
        info.contains("cluster_state:ok")
    })
    .await;
    redis
}

#[tokio::test]
async fn tables_are_those_of_a_cluster_of_one_node() {
    let redis = cluster_of_one().await;
    let address = Address { host: "127.0.0.1".into(), port: redis.port(), speech: Speech::Plain };
    let id: String = redis::from_redis_value(redis.command(&["CLUSTER", "MYID"]).await).unwrap();
    let bus = format!("@{}", u32::from(redis.port()) + 10_000);
    let mut client = HostileClient::connect(redis.addr()).await;
    for (protocol, hello) in [(Protocol::Resp2, "2"), (Protocol::Resp3, "3")] {
        client.ask(&["HELLO", hello], PATIENCE).await;
        for call in [
            "CLUSTER SLOTS",
            "CLUSTER SHARDS",
            "CLUSTER INFO",
            "CLUSTER LINKS",
            "CLUSTER MYID",
            "CLUSTER KEYSLOT foo{bar}",
            "CLUSTER REPLICAS nobody",
            "CLUSTER COUNT-FAILURE-REPORTS nobody",
            "CLUSTER REPLICAS ID",
            "CLUSTER COUNT-FAILURE-REPORTS ID",
            "READONLY",
            "READWRITE",
            "ASKING",
        ] {
            let asked = call.replace(" ID", &format!(" {id}"));
            let theirs = client.ask(&asked.split(' ').collect::<Vec<_>>(), PATIENCE).await;
            let ours = said(&call.replace(" ID", &format!(" {}", address.id())), &address, protocol);
            assert_eq!(ours, theirs.replace(&id, &address.id()), "{call}");
        }
        let theirs = client.ask(&["CLUSTER", "NODES"], PATIENCE).await;
        let line = |reply: &str| reply.lines().nth(1).unwrap().replace("txt:", "");
        let ours = line(&said("CLUSTER NODES", &address, protocol));
        assert_eq!(ours, line(&theirs).replace(&id, &address.id()).replace(&bus, "@0"));
    }
}

#[test]
fn a_name_is_told_as_redis_tells_hostnames() {
    let address = Address { host: "redis.example".into(), port: 6380, speech: Speech::Tls };
    let id = address.id();
    assert_eq!(
        said("CLUSTER SHARDS", &address, Protocol::Resp3),
        format!(
            "*1\r\n%2\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n%8\r\n$2\r\nid\r\n$40\r\n{id}\r\n\
             $8\r\ntls-port\r\n:6380\r\n$2\r\nip\r\n$0\r\n\r\n$8\r\nendpoint\r\n$13\r\nredis.example\r\n\
             $8\r\nhostname\r\n$13\r\nredis.example\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
             $18\r\nreplication-offset\r\n:0\r\n$6\r\nhealth\r\n$6\r\nonline\r\n"
        )
    );
    let nodes = said("CLUSTER NODES", &address, Protocol::Resp2);
    let line = format!("{id} redis.example:6380@0,redis.example myself,master - 0 0 0 connected 0-16383");
    assert_eq!(nodes.lines().nth(1), Some(line.as_str()));
}

#[test]
fn what_would_change_the_cluster_is_refused_by_name() {
    let local: SocketAddr = "[2001:db8::1]:6380".parse().unwrap();
    let address = Address::of(None, Some(local), 0, Speech::Plain);
    let refused = said("cluster meet 127.0.0.1 6379", &address, Protocol::Resp2);
    assert!(refused.starts_with("-ERR CLUSTER MEET would change the cluster"), "{refused}");
    assert!(said("CLUSTER SLOTS", &address, Protocol::Resp2).contains("$11\r\n2001:db8::1\r\n:6380\r\n"));
}

/// Whether a new subcommand of Redis would be answered here, forwarded, or refused, is to be decided and not left open.
#[test]
fn every_word_about_clusters_has_its_answer() {
    let forwarded: Vec<&str> = commands::all()
        .map(|spec| spec.name)
        .filter(|name| name.starts_with("cluster|") && Word::of(name).is_none())
        .collect();
    assert_eq!(forwarded, ["cluster|countkeysinslot", "cluster|getkeysinslot", "cluster|help"]);
}
