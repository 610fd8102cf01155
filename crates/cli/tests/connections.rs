//! Clients that give their connection a state: what they hear is what Redis would have said, byte for byte, and nothing
//! of it is left to anybody else.
#![allow(clippy::unwrap_used)]

mod tools;

use std::net::SocketAddr;
use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;

use tools::{Dice, PATIENCE, bulk, command, metric, reaches, shown, start};

/// What is said in one connection, a line each; every one of them leaves the connection without a state.
const CONVERSATIONS: &[&str] = &[
    "SET a 1\nMULTI\nINCR a\nGET a\nEXEC\nGET a",
    "MULTI\nSET a 2\nDISCARD\nGET a\nEXEC\nDISCARD\nUNWATCH",
    "MULTI\nNOSUCH\nSET a 3\nEXEC\nGET a",
    "MULTI\nSET a\nEXEC\nMULTI\nMULTI\nWATCH a\nGET a\nEXEC\nGET a",
    "SET a 1\nWATCH a b\nSET a 2\nMULTI\nGET a\nEXEC\nGET a\nWATCH a\nUNWATCH\nMULTI\nGET a\nEXEC",
    "MULTI\nEXEC\nMULTI\nEXEC\nMULTI\nLPUSH a 1\nEXEC\nDEL a",
    "WATCH\nMULTI x\nEXEC x\nSELECT\nSUBSCRIBE\nBLPOP",
    "SELECT 3\nSET only:there 1\nGET only:there\nDBSIZE\nSELECT 0\nGET only:there\nSELECT 99\nSELECT x\nSELECT 3\nDEL only:there\nSELECT 0",
    "SELECT 3\nMULTI\nSET a 7\nSELECT 0\nGET a\nEXEC\nGET a\nRESET\nGET a",
    "SUBSCRIBE x y\nPSUBSCRIBE z*\nPING\nPING hello\nGET a\nUNSUBSCRIBE x\nUNSUBSCRIBE\nPUNSUBSCRIBE\nGET a",
    "UNSUBSCRIBE\nUNSUBSCRIBE a b\nPUNSUBSCRIBE\nSUNSUBSCRIBE\nSSUBSCRIBE s\nSUNSUBSCRIBE\nGET a",
    "SUBSCRIBE x x\nUNSUBSCRIBE x x\nSUBSCRIBE x\nRESET\nGET a",
    "HELLO 3\nSUBSCRIBE x\nGET a\nPUBLISH x hello\nUNSUBSCRIBE\nGET a\nHELLO 2\nGET a",
    "HELLO 3\nMULTI\nHGETALL h\nGET nothing\nEXEC\nHELLO 2\nHGETALL h",
    "MULTI\nHELLO 3\nHGETALL h\nEXEC\nHGETALL h\nRESET\nHGETALL h",
    "RPUSH q 1 2 3\nBLPOP q 0\nBRPOP q 1\nBLMOVE q r LEFT RIGHT 1\nBRPOPLPUSH r q 0\nBLMPOP 0 1 q LEFT\nBLPOP q 0.01\nGET a",
    "ZADD z 1 a 2 b 3 c\nBZPOPMIN z 0\nBZPOPMAX z 1\nBZMPOP 0 1 z MIN\nBZPOPMIN z 0.01\nBLPOP h 0\nBLPOP q x\nGET a",
    "XADD s 1-1 f v\nXREAD BLOCK 10 STREAMS s 0\nXREAD BLOCK 10 STREAMS s $\nXGROUP CREATE s g 0\nXREADGROUP GROUP g c BLOCK 0 STREAMS s >\nXREADGROUP GROUP g c BLOCK 10 STREAMS s >\nDEL s",
    "RPUSH q 1\nBLPOP q 0",
    "BLPOP q 0.01",
    "MULTI\nBLPOP q 0\nXREAD BLOCK 0 STREAMS nothing 0\nEXEC\nGET a",
    "MULTI\nSUBSCRIBE x\nGET a\nEXEC\nRESET\nGET a",
    "MULTI\nSET a 4\nEXEC x\nSET a 5\nGET a\nSUBSCRIBE x\nUNSUBSCRIBE\nGET a",
    "MULTI\nCLIENT REPLY ON\nSET a 4\nEXEC\nGET a\nRESET\nGET a",
    "MULTI\nCLIENT REPLY OFF\nSET a 4\nDISCARD\nGET a\nRESET\nGET a",
    "REPLCONF capa eof\nGET a\nRESET\nGET a",
    "HELLO 3\nSUBSCRIBE x\nMULTI\nPUBLISH x hello\nGET a\nEXEC\nUNSUBSCRIBE\nGET a",
    "EVAL 'local a={}; local b={a}; a[1]=b; return a' 0\nGET a",
    "HELLO 3\nEVAL 'redis.setresp(3); return {big_number=\"many\"}' 0\nGET a",
    "CLIENT REPLY SKIP\nSUBSCRIBE x\nPING\nRESET\nGET a",
    "WAIT 0 0\nSET a 1\nWAIT 0 10\nWAIT x y\nGET a",
    "CLIENT REPLY ON\nGET a\nCLIENT REPLY SKIP\nGET a\nGET a\nCLIENT REPLY OFF\nGET a\nGET a\nCLIENT REPLY ON\nGET a\nCLIENT REPLY\nCLIENT REPLY maybe\nRESET",
    "CLIENT NO-EVICT ON\nGET a\nCLIENT NO-EVICT OFF\nCLIENT NO-EVICT x\nGET a",
    "CLIENT TRACKING ON\nCLIENT TRACKING OFF\nCLIENT GETREDIR\nCLIENT CACHING YES\nCLIENT TRACKING x\nGET a",
    "CLIENT TRACKING ON OPTIN\nCLIENT CACHING YES\nGET a\nCLIENT TRACKINGINFO\nCLIENT TRACKING OFF\nGET a",
    "HELLO 3 SETNAME AUTH\nCLIENT GETNAME\nHELLO 3 AUTH\nHELLO 3 AUTH x\nHELLO 3 NOSUCH\nHELLO 9\nRESET\nCLIENT GETNAME",
    "CLIENT SETNAME me\nMULTI\nCLIENT GETNAME\nEXEC\nCLIENT SETNAME\nCLIENT SETNAME a b\nCLIENT GETNAME\nRESET\nCLIENT GETNAME",
    "ACL WHOAMI\nREADONLY\nREADWRITE\nASKING\nGET a",
    "AUTH\nAUTH wrong\nAUTH nobody wrong\nAUTH a b c\nHELLO 2 AUTH nobody wrong\nGET a",
    "HELLO 3\nAUTH nobody wrong\nMULTI\nHGETALL h\nEXEC\nHELLO 2 AUTH nobody wrong\nMULTI\nHGETALL h\nEXEC",
    "AUTH ann apple\nACL WHOAMI\nSET a 1\nGET a\nMULTI\nGET a\nEXEC\nRESET\nACL WHOAMI",
    "HELLO 3 AUTH ann apple SETNAME x\nACL WHOAMI\nHGETALL h\nCLIENT GETNAME\nSET a 1\nRESET\nACL WHOAMI\nHGETALL h",
    "SCRIPT KILL\nFUNCTION KILL\nCLIENT UNBLOCK 999999\nCLIENT KILL 1.2.3.4:5\nCLIENT KILL ID 999999\nCLIENT PAUSE 0\nCLIENT UNPAUSE",
    "EVAL 'return redis.call(\"subscribe\",\"x\")' 0\nEVAL 'return {1,2,{3}}' 0\nEVALSHA x 0\nFCALL nothing 0",
    "RESET\nMULTI\nRESET\nEXEC\nWATCH a\nRESET\nGET a",
    "QUIT",
    "MULTI\nSET a 9\nQUIT",
    "SUBSCRIBE x\nQUIT",
    "MULTI\nGET a\n*1\n$x",
];

async fn prepare(redis: &Redis) {
    redis.command(&["SET", "a", "1"]).await;
    redis.command(&["HSET", "h", "f", "v"]).await;
    redis.acl_user("ann", "apple", "~* &* +@all -set").await;
}

/// Everything that is said back until the connection is closed, which the last request asks for.
async fn transcript(addr: SocketAddr, requests: &[Vec<u8>], pieces: usize) -> String {
    let mut client = HostileClient::connect(addr).await;
    let whole = [requests.concat(), b"QUIT\r\n".to_vec()].concat();
    // A peer that has closed in the middle of it has made up its mind.
    let _ = client.send_slices(&whole, pieces, Duration::ZERO).await;
    shown(client.read_until_closed(PATIENCE).await.bytes)
}

fn requests(conversation: &str) -> Vec<Vec<u8>> {
    conversation.split('\n').map(|line| format!("{line}\r\n").into_bytes()).collect()
}

/// All in one piece.
const fn whole() -> usize {
    1 << 20
}

/// Numbers that differ from server to server.
fn without_ids(transcript: &str) -> String {
    match transcript.split_once("$2\r\nid\r\n:") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}<id>{}", without_ids(rest))
        }
        None => transcript.to_owned(),
    }
}

#[tokio::test]
async fn every_conversation_is_what_it_would_be_with_redis_itself() {
    let (one, other) = (Redis::start().await, Redis::start().await);
    let sidecar = start(&other.url(), "redis.timeout = \"20s\"\n").await;
    reaches(&sidecar, "failsoft_node_probes_total", &[("result", "well")], 1.0).await;
    for conversation in CONVERSATIONS {
        for pieces in [whole(), 7] {
            for redis in [&one, &other] {
                redis.command(&["FLUSHALL"]).await;
                prepare(redis).await;
            }
            let requests = requests(conversation);
            let direct = transcript(one.addr(), &requests, pieces).await;
            let through = transcript(sidecar.addr(), &requests, pieces).await;
            assert_eq!(without_ids(&through), without_ids(&direct), "{conversation}");
        }
    }
    reaches(&sidecar, "failsoft_node_dedicated_connects_total", &[], 1.0).await;
    eventually("all connections to be given back", PATIENCE, || async {
        metric(&sidecar, "failsoft_node_dedicated_connections", &[]).await == 0.0
    })
    .await;
}

/// Many clients at once, each with keys of its own, switching to and fro: each hears what it alone would have heard.
#[tokio::test]
async fn the_order_of_replies_is_the_order_of_requests_also_across_the_switch() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.timeout = \"20s\"\n").await;
    let mut clients = JoinSet::new();
    for client in 0..24 {
        let addr = sidecar.addr();
        clients.spawn(async move {
            let mut dice = Dice(client);
            let (mut sent, mut expected, mut value) = (Vec::new(), String::new(), 0);
            let key = format!("counter:{client}");
            for _ in 0..400 {
                let (more, words) = one_move(&mut dice, &key, &mut value);
                sent.extend_from_slice(&more);
                expected.push_str(&words);
            }
            let mut client = HostileClient::connect(addr).await;
            client.send(&sent).await.unwrap();
            let heard = client.read_exactly(expected.len(), PATIENCE).await;
            assert_eq!(shown(heard), expected);
        });
    }
    clients.join_all().await;
}

/// One step of such a client, and what it is to hear.
fn one_move(dice: &mut Dice, key: &str, value: &mut u64) -> (Vec<u8>, String) {
    let incr = || command(&["INCR", key]);
    let queue = format!("queue:{key}");
    match dice.roll(7) {
        0 => {
            *value += 2;
            let sent = [command(&["MULTI"]), incr(), incr(), command(&["EXEC"])].concat();
            (sent, format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:{}\r\n:{value}\r\n", *value - 1))
        }
        1 => ([command(&["MULTI"]), incr(), command(&["DISCARD"])].concat(), "+OK\r\n+QUEUED\r\n+OK\r\n".to_owned()),
        2 => {
            let sent = [command(&["RPUSH", &queue, key]), command(&["BLPOP", &queue, "0"])].concat();
            let popped = [bulk(&queue), bulk(key)].concat();
            (sent, format!(":1\r\n*2\r\n{}", shown(popped)))
        }
        3 => {
            let sent = [command(&["SUBSCRIBE", key]), command(&["UNSUBSCRIBE"])].concat();
            let of = |word: &str, left| format!("*3\r\n{}{}:{left}\r\n", shown(bulk(word)), shown(bulk(key)));
            (sent, of("subscribe", 1) + &of("unsubscribe", 0))
        }
        4 => {
            let sent = [command(&["SELECT", "5"]), command(&["GET", key]), command(&["SELECT", "0"])].concat();
            (sent, "+OK\r\n$-1\r\n+OK\r\n".to_owned())
        }
        _ => {
            *value += 1;
            (incr(), format!(":{value}\r\n"))
        }
    }
}

#[tokio::test]
async fn what_one_client_has_set_no_other_one_has() {
    let redis = Redis::start().await;
    prepare(&redis).await;
    let sidecar = start(&redis.url(), "").await;
    let states: [&[&str]; 11] = [
        &["SELECT", "3"],
        &["MULTI"],
        &["WATCH", "a"],
        &["SUBSCRIBE", "x"],
        &["CLIENT", "REPLY", "OFF"],
        &["CLIENT", "TRACKING", "ON"],
        &["CLIENT", "NO-EVICT", "ON"],
        &["CLIENT", "SETNAME", "me"],
        &["HELLO", "3"],
        &["AUTH", "ann", "apple"],
        &["MONITOR"],
    ];
    let mut holders = Vec::new();
    for words in states {
        let mut holder = HostileClient::connect(sidecar.addr()).await;
        holder.send_command(words).await.unwrap();
        if words != ["CLIENT", "REPLY", "OFF"] {
            holder.read_reply(PATIENCE).await;
        }
        holders.push(holder);
        for _ in 0..3 {
            let mut other = HostileClient::connect(sidecar.addr()).await;
            for (words, reply) in [
                (&["SET", "b", "1"][..], "+OK\r\n"),
                (&["GET", "a"], "$1\r\n1\r\n"),
                (&["ACL", "WHOAMI"], "$7\r\ndefault\r\n"),
                (&["CLIENT", "GETNAME"], "$-1\r\n"),
                (&["HGETALL", "h"], "*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
                (&["MULTI"], "+OK\r\n"),
                (&["GET", "a"], "+QUEUED\r\n"),
                (&["EXEC"], "*1\r\n$1\r\n1\r\n"),
            ] {
                assert_eq!(other.ask(words, PATIENCE).await, reply, "{words:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "").await;
    let mut other = HostileClient::connect(sidecar.addr()).await;
    other.ask(&["GET", "a"], PATIENCE).await;
    let mut idle = redis.info("clients").await["connected_clients"].clone();
    for round in 0..3 {
        let mut gone = Vec::new();
        for words in [&["BLPOP", "queue", "0"][..], &["SUBSCRIBE", "x"], &["MONITOR"], &["MULTI"], &["WATCH", "a"]] {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            client.send_command(words).await.unwrap();
            if words[0] == "MULTI" {
                client.ask(&["SET", "a", "never"], PATIENCE).await;
            }
            gone.push(client);
        }
        eventually("five to be there", PATIENCE, || async {
            let clients = redis.info("clients").await;
            metric(&sidecar, "failsoft_node_dedicated_connections", &[]).await == 5.0
                && clients["blocked_clients"] == "1"
        })
        .await;
        gone.into_iter().for_each(HostileClient::reset);
        eventually("nobody to be left", PATIENCE, || async {
            metric(&sidecar, "failsoft_node_dedicated_connections", &[]).await == 0.0
        })
        .await;
        eventually("Redis to have let go of them too", PATIENCE, || async {
            let clients = redis.info("clients").await;
            let settled = clients["blocked_clients"] == "0" && clients["connected_clients"] <= idle;
            settled || round == 0
        })
        .await;
        idle = redis.info("clients").await["connected_clients"].clone().max(idle);
        assert_eq!(redis.get("a").await, None);
        redis.command(&["RPUSH", "queue", "1"]).await;
        assert_eq!(other.ask(&["LPOP", "queue"], PATIENCE).await, "$1\r\n1\r\n");
    }
}

#[tokio::test]
async fn past_the_bound_a_client_is_told_so_and_no_transaction_is_half_done() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.max_dedicated = 2\n").await;
    let mut holders = Vec::new();
    for _ in 0..2 {
        let mut holder = HostileClient::connect(sidecar.addr()).await;
        assert_eq!(holder.ask(&["WATCH", "a"], PATIENCE).await, "+OK\r\n");
        holders.push(holder);
    }
    let mut late = HostileClient::connect(sidecar.addr()).await;
    let full = "-UNAVAILABLE nothing was done, all 2 connections for single clients are taken (redis.max_dedicated) \
                reason=dedicated_full retry-after-ms=100\r\n";
    for words in [&["SUBSCRIBE", "x"][..], &["BLPOP", "q", "0"], &["WATCH", "a"], &["SELECT", "1"]] {
        assert_eq!(late.ask(words, PATIENCE).await, full);
    }
    let transaction = [&["MULTI"][..], &["SET", "a", "half"], &["EXEC"], &["GET", "a"]].map(command).concat();
    late.send(transaction).await.unwrap();
    let expected = format!("+OK\r\n{full}-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
    assert_eq!(shown(late.read_exactly(expected.len(), PATIENCE).await), expected);
    assert_eq!(metric(&sidecar, "failsoft_node_dedicated_refused_total", &[]).await, 5.0);
    drop(holders);
    eventually("a place to be free", PATIENCE, || async {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.ask(&["WATCH", "a"], PATIENCE).await == "+OK\r\n"
    })
    .await;
}

/// WAIT counts the replicas that have the writes of its own connection, so it must not be asked on one that has written
/// nothing.
#[tokio::test]
async fn wait_is_about_what_the_client_has_written_before() {
    let primary = Redis::start().await;
    let replica = Redis::builder().replica_of(&primary).start().await;
    replica.wait_synced().await;
    let sidecar = start(&primary.url(), "redis.timeout = \"20s\"\n").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for round in 0..3 {
        assert_eq!(client.ask(&["SET", "a", &round.to_string()], PATIENCE).await, "+OK\r\n");
        assert_eq!(client.ask(&["WAIT", "1", "0"], PATIENCE).await, ":1\r\n");
        replica.pause();
        assert_eq!(client.ask(&["SET", "a", "alone"], PATIENCE).await, "+OK\r\n");
        assert_eq!(client.ask(&["WAIT", "1", "50"], PATIENCE).await, ":0\r\n");
        replica.resume();
    }
}

/// A script keeps Redis from reading anything on the connection it came on; what ends it has to come on another.
#[tokio::test]
async fn a_script_that_does_not_end_can_be_killed_through_the_sidecar() {
    let redis = Redis::start().await;
    redis.config_set("busy-reply-threshold", "50").await;
    let sidecar = start(&redis.url(), "").await;
    let mut looping = HostileClient::connect(sidecar.addr()).await;
    looping.send_command(&["EVAL", "while true do end", "0"]).await.unwrap();
    eventually("the script to be killed", PATIENCE, || async {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.ask(&["SCRIPT", "KILL"], PATIENCE).await == "+OK\r\n"
    })
    .await;
    eventually("Redis to be free", PATIENCE, || async { redis.try_command(&["GET", "a"]).await.is_ok() }).await;
}

/// What failsoft does not let through spoils the transaction that it was to be part of, as what Redis refuses does.
#[tokio::test]
async fn what_is_denied_is_denied_in_a_transaction_too_and_with_it_the_transaction() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "server.deny_commands = [\"FLUSHALL\", \"CONFIG\"]\n").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for denied in [&["flushall"][..], &["CONFIG", "SET", "maxmemory", "1"], &["Config", "Get", "dir"]] {
        assert_eq!(client.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
        assert_eq!(client.ask(&["SET", "a", "never"], PATIENCE).await, "+QUEUED\r\n");
        let told = client.ask(denied, PATIENCE).await;
        assert!(told.starts_with("-NOPERM ") && told.contains("server.deny_commands"), "{told}");
        assert_eq!(client.ask(&["SET", "a", "never"], PATIENCE).await, "+QUEUED\r\n");
        let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
        assert_eq!(client.ask(&["EXEC"], PATIENCE).await, aborted);
    }
    for state in [&["SELECT", "1"][..], &["SUBSCRIBE", "x"]] {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.ask(state, PATIENCE).await;
        assert!(client.ask(&["FLUSHALL"], PATIENCE).await.starts_with("-NOPERM "), "{state:?}");
    }
    assert_eq!(redis.get("a").await, None);
}

#[tokio::test]
async fn ten_thousand_commands_and_a_hundred_megabytes_pass_in_one_piece_also_in_a_transaction() {
    const COMMANDS: usize = 10_000;
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.timeout = \"50s\"\nrequest.deadline = \"55s\"\n").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let many = command(&["INCR", "n"]).repeat(COMMANDS);
    client.send([command(&["MULTI"]), many.clone(), command(&["EXEC"]), many].concat()).await.unwrap();
    let replies = |first: usize| (first..first + COMMANDS).map(|n| format!(":{n}\r\n")).collect::<String>();
    let queued = "+QUEUED\r\n".repeat(COMMANDS);
    let expected = format!("+OK\r\n{queued}*{COMMANDS}\r\n{}{}", replies(1), replies(COMMANDS + 1));
    assert!(client.read_exactly(expected.len(), PATIENCE).await == expected.as_bytes(), "order or number");

    let large = vec![b'x'; 100 << 20];
    let set = command(&[&b"SET"[..], b"large", &large]);
    let get = command(&["GET", "large"]);
    let answer = bulk(&large);
    client.send([&set[..], &get].concat()).await.unwrap();
    assert_eq!(shown(client.read_reply(PATIENCE).await), "+OK\r\n");
    assert!(client.read_reply(PATIENCE).await == answer);
    client.send([&command(&["MULTI"])[..], &set, &get, &command(&["EXEC"])].concat()).await.unwrap();
    let expected = [&b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n"[..], &answer].concat();
    assert!(client.read_exactly(expected.len(), PATIENCE).await == expected);
}

/// Numbers are handed on to others, who hand them to Redis: also that of a client that asked before it had a connection.
#[tokio::test]
async fn a_client_is_found_by_the_number_it_was_told() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.timeout = \"20s\"\n").await;
    let mut other = HostileClient::connect(sidecar.addr()).await;
    for state in [&["PING"][..], &["SELECT", "3"]] {
        let mut blocked = HostileClient::connect(sidecar.addr()).await;
        blocked.ask(state, PATIENCE).await;
        let id = number(&blocked.ask(&["CLIENT", "ID"], PATIENCE).await);
        blocked.send_command(&["BLPOP", "queue", "0"]).await.unwrap();
        eventually("the client to be found", PATIENCE, || async {
            let mut other = HostileClient::connect(sidecar.addr()).await;
            other.ask(&["CLIENT", "UNBLOCK", &id], PATIENCE).await == ":1\r\n"
        })
        .await;
        assert_eq!(shown(blocked.read_reply(PATIENCE).await), "*-1\r\n");
        assert_eq!(other.ask(&["CLIENT", "UNBLOCK", &id], PATIENCE).await, ":0\r\n");
    }
}

#[tokio::test]
async fn invalidations_reach_the_client_whose_number_was_given() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.timeout = \"20s\"\n").await;
    let mut listener = HostileClient::connect(sidecar.addr()).await;
    let id = number(&listener.ask(&["CLIENT", "ID"], PATIENCE).await);
    listener.ask(&["SUBSCRIBE", "__redis__:invalidate"], PATIENCE).await;
    let mut reader = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(reader.ask(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id], PATIENCE).await, "+OK\r\n");
    reader.ask(&["GET", "a"], PATIENCE).await;
    redis.command(&["SET", "a", "2"]).await;
    let told = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n";
    assert_eq!(shown(listener.read_reply(PATIENCE).await), told);
}

/// What failsoft asks for itself on a client's connection is nothing that the client's user might not ask.
#[tokio::test]
async fn nothing_is_laid_to_a_users_charge_that_it_did_not_ask_for() {
    let redis = Redis::start().await;
    redis.acl_user("bob", "pear", "~* -@all +get").await;
    let sidecar = start(&redis.url(), "redis.timeout = \"20s\"\n").await;
    for hello in [&["HELLO", "2"][..], &["HELLO", "3", "SETNAME", "me"]] {
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.ask(hello, PATIENCE).await;
        assert_eq!(client.ask(&["AUTH", "bob", "pear"], PATIENCE).await, "+OK\r\n");
        client.ask(&["GET", "a"], PATIENCE).await;
        assert_eq!(client.ask(&["RESET"], PATIENCE).await, "+RESET\r\n");
        assert_eq!(client.ask(&["ACL", "LOG"], PATIENCE).await, "*0\r\n");
    }
}

/// A stream that is not RESP begins with its first byte, not with what failsoft has asked for itself.
#[tokio::test]
async fn a_replica_can_be_fed_through_the_sidecar() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "redis.timeout = \"20s\"\n").await;
    let mut replica = HostileClient::connect(sidecar.addr()).await;
    replica.send_command(&["SYNC"]).await.unwrap();
    let mut first = b'\n';
    while first == b'\n' {
        first = replica.read_exactly(1, PATIENCE).await[0];
    }
    assert_eq!(first, b'$');
}

fn number(reply: &str) -> String {
    reply.trim_start_matches(':').trim_end().to_owned()
}
