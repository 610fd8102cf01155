//! Taken apart, answered shard by shard and put together again, a command says what one server would have said.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use failsoft_core::Tier;
use failsoft_core::cluster::Slot;
use failsoft_core::request::Ending;
use failsoft_resp::commands::{self, Spec};
use failsoft_resp::encode::{self, Protocol};
use proptest::prelude::*;

use super::*;
use crate::words::Words;

/// What one server holds, and says to the commands that are taken apart.
#[derive(Clone, Default)]
struct Server(BTreeMap<Vec<u8>, Vec<u8>>);

impl Server {
    fn call(&mut self, frame: &[u8], protocol: Protocol) -> Vec<u8> {
        let words = Words::of(frame);
        let (name, args) = words.as_slices().split_first().unwrap();
        let mut out = Vec::new();
        match name.to_ascii_uppercase().as_slice() {
            b"MGET" => {
                encode::array_header(&mut out, args.len());
                args.iter().for_each(|key| match self.0.get(*key) {
                    Some(value) => encode::bulk(&mut out, value),
                    None => encode::nil(&mut out, protocol),
                });
            }
            b"MSET" => {
                args.chunks(2).for_each(|pair| drop(self.0.insert(pair[0].to_vec(), pair[1].to_vec())));
                encode::simple(&mut out, "OK");
            }
            b"DEL" | b"UNLINK" => {
                let gone = args.iter().filter(|key| self.0.remove(**key).is_some()).count();
                encode::integer(&mut out, gone as i64);
            }
            b"EXISTS" | b"TOUCH" => {
                let there = args.iter().filter(|key| self.0.contains_key(**key)).count();
                encode::integer(&mut out, there as i64);
            }
            other => panic!("{}", other.escape_ascii()),
        }
        out
    }
}

/// A server for each slot: a cluster taken apart as far as it goes.
#[derive(Clone, Default)]
struct Cluster(BTreeMap<Slot, Server>);

impl Cluster {
    fn call(&mut self, call: &[Vec<u8>], protocol: Protocol) -> Vec<u8> {
        let spec = spec(&call[0]);
        let answer = |part: Part| {
            let reply = self.0.entry(part.slot).or_default().call(&part.frame, protocol);
            said(part.keys, &reply)
        };
        let answers: Vec<Answer> = take_apart(spec, call).into_iter().map(answer).collect();
        let mut out = Vec::new();
        merge(Act::of(spec).unwrap(), &answers, protocol, &mut out);
        out
    }
}

fn spec(name: &[u8]) -> &'static Spec {
    commands::lookup(name, None).unwrap()
}

fn said(about: Vec<usize>, reply: &[u8]) -> Answer {
    Answer { about, ending: Ending::Value(Tier::Primary), reply: reply.to_vec() }
}

fn call() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let key = prop_oneof!["[a-e]", "\\{[ab]\\}[a-c]", "[a-z]{0,2}\\{\\}[a-z]"];
    let keys = prop::collection::vec(key.clone(), 1..12);
    let of_keys = (prop::sample::select(vec!["MGET", "del", "UNLINK", "Exists", "TOUCH"]), keys)
        .prop_map(|(name, keys)| [vec![name.to_owned()], keys].concat());
    let of_pairs = prop::collection::vec((key, "[x-z\r\n*$]{0,3}"), 1..8).prop_map(|pairs| {
        let words = pairs.into_iter().flat_map(|(key, value)| [key, value]);
        ["MSET".to_owned()].into_iter().chain(words).collect::<Vec<_>>()
    });
    prop_oneof![of_keys, of_pairs].prop_map(|words| words.into_iter().map(String::into_bytes).collect())
}

proptest! {
    #[test]
    fn a_cluster_says_what_one_server_says(calls in prop::collection::vec(call(), 1..20), resp3: bool) {
        let protocol = if resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        let (mut server, mut cluster) = (Server::default(), Cluster::default());
        for call in calls {
            let mut frame = Vec::new();
            encode::command(&mut frame, call.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let expected = server.call(&frame, protocol);
            let found = cluster.call(&call, protocol);
            prop_assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
    }

    #[test]
    fn whatever_shards_say_is_put_together_or_refused(replies in prop::collection::vec(
        prop::sample::select(vec![
            &b"*2\r\n$1\r\na\r\n:1\r\n"[..], b"*2\r\n:1\r\n:0\r\n", b"*0\r\n", b":3\r\n", b"$-1\r\n", b"+OK\r\n",
            b"-ERR no\r\n", b"$1\r\na\r\n", b"_\r\n", b"", b"*-1\r\n", b"!5\r\nERR x\r\n",
        ]), 0..5)) {
        for spec in commands::all() {
            let Some(act) = Act::of(spec) else { continue };
            let answers: Vec<Answer> = replies.iter().enumerate().map(|(shard, reply)| said(vec![shard], reply)).collect();
            let mut out = Vec::new();
            merge(act, &answers, Protocol::Resp3, &mut out);
            let whole = failsoft_resp::ReplyScanner::new(failsoft_resp::Limits::REPLIES).scan(&out);
            prop_assert!(whole == Ok(Some(out.len())) || replies.contains(&&b""[..]), "{}", out.escape_ascii());
        }
    }
}

/// What is said to a command without keys whose shards say `replies`.
fn merged(call: &str, replies: &[&str]) -> String {
    let mut words = call.split(' ').map(str::as_bytes);
    let spec = commands::lookup(words.next().unwrap(), words.next()).unwrap();
    let answers: Vec<Answer> =
        replies.iter().enumerate().map(|(shard, reply)| said(vec![shard], reply.as_bytes())).collect();
    let mut out = Vec::new();
    merge(Act::of(spec).unwrap(), &answers, Protocol::Resp2, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn lists_follow_each_other_and_subscriptions_are_told_once() {
    let (one, other) = ("*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    assert_eq!(merged("KEYS *", &[one, "*0\r\n", other]), "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nb\r\n$1\r\nc\r\n");
    assert_eq!(merged("PUBSUB CHANNELS", &[one, other]), "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    assert_eq!(merged("PUBSUB SHARDCHANNELS", &["*0\r\n", "*0\r\n"]), "*0\r\n");
}

#[test]
fn numbers_are_added_by_name_and_truths_are_true_where_they_are_everywhere() {
    let numsub = |a: i64, b: i64| format!("*4\r\n$1\r\na\r\n:{a}\r\n$1\r\nb\r\n:{b}\r\n");
    assert_eq!(merged("PUBSUB NUMSUB", &[&numsub(1, 0), &numsub(2, 0), &numsub(0, 4)]), numsub(3, 4));
    assert_eq!(merged("PUBSUB NUMPAT", &[":1\r\n", ":2\r\n"]), ":3\r\n");
    assert_eq!(merged("DBSIZE", &[":1\r\n", ":2\r\n", ":4\r\n"]), ":7\r\n");
    assert_eq!(merged("SCRIPT EXISTS", &["*2\r\n:1\r\n:1\r\n", "*2\r\n:1\r\n:0\r\n"]), "*2\r\n:1\r\n:0\r\n");
}

#[test]
fn what_all_agree_on_is_said_once_and_one_refusal_is_the_answer() {
    assert_eq!(merged("FLUSHALL", &["+OK\r\n", "+OK\r\n"]), "+OK\r\n");
    assert_eq!(merged("SCRIPT LOAD", &["$3\r\nsha\r\n", "$3\r\nsha\r\n"]), "$3\r\nsha\r\n");
    let refused = merged("FUNCTION DELETE", &["+OK\r\n", "-ERR Library not found\r\n"]);
    assert_eq!(refused, "-ERR Library not found shards=2 shards-done=1\r\n");
    assert_eq!(merged("SCRIPT KILL", &["-NOTBUSY No scripts\r\n", "+OK\r\n"]), "+OK\r\n");
    assert_eq!(merged("SCRIPT KILL", &["-NOTBUSY No scripts\r\n"]), "-NOTBUSY No scripts\r\n");
}

#[test]
fn a_random_key_is_one_that_is_there() {
    assert_eq!(merged("RANDOMKEY", &["$-1\r\n", "$1\r\na\r\n"]), "$1\r\na\r\n");
    assert_eq!(merged("RANDOMKEY", &["_\r\n", "_\r\n"]), "$-1\r\n");
}

#[test]
fn what_does_not_fit_is_an_error_and_not_a_guess() {
    for (call, replies) in [
        ("DBSIZE", [":1\r\n", "+OK\r\n"]),
        ("SCRIPT EXISTS", ["*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n"]),
        ("PUBSUB NUMSUB", ["*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n$1\r\nb\r\n:1\r\n"]),
        ("MGET", ["*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*1\r\n$1\r\na\r\n"]),
        ("MGET", ["*0\r\n", "*1\r\n$1\r\na\r\n"]),
    ] {
        assert!(merged(call, &replies).starts_with("-ERR what a shard answered"), "{call}");
    }
}
