//! The command table held against what a real server says of itself.
//!
//! The table describes 7.2; on a 7.0 server the rows that 7.2 changed are compared without what changed, and the list of
//! them is exact: a row that needs no exception fails the test too.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{Redis, field, list, number, text};
use failsoft_resp::commands::{self, Access, Flags, KeySpec, Merge, Run, Spec, Spread};

/// Rows whose arity or flags 7.2 changed.
const LOOSENED_IN_7_2: [&str; 13] = [
    "blmove",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzpopmax",
    "bzpopmin",
    "cluster|shards",
    "cluster|slots",
    "command|getkeys",
    "command|getkeysandflags",
    "wait",
    "zrank",
    "zrevrank",
];

/// Rows whose age 7.2 corrected.
const AGED_IN_7_2: [&str; 1] = ["client|pause"];

/// Rows whose tips 7.2 changed.
const SPREAD_OTHERWISE_BEFORE_7_2: [&str; 10] = [
    "acl|deluser",
    "acl|save",
    "acl|setuser",
    "client|setname",
    "config|resetstat",
    "config|rewrite",
    "latency|reset",
    "msetnx",
    "randomkey",
    "scan",
];

/// Rows that are spread otherwise than the server's tips say, which are these.
const SPREAD_OTHERWISE: &[(&str, &[&str])] = &[
    // About the connection that they come on.
    ("client|setinfo", &["request_policy:all_nodes", "response_policy:all_succeeded"]),
    ("client|setname", &["request_policy:all_nodes", "response_policy:all_succeeded"]),
    ("ping", &["request_policy:all_shards", "response_policy:all_succeeded"]),
    ("wait", &["request_policy:all_shards", "response_policy:agg_min"]),
    ("waitaof", &["request_policy:all_shards", "response_policy:agg_min"]),
    // Without an answer that one server could have given.
    ("function|stats", &["request_policy:all_shards", "response_policy:special"]),
    ("info", &["request_policy:all_shards", "response_policy:special"]),
    ("latency|doctor", &["request_policy:all_nodes", "response_policy:special"]),
    ("latency|graph", &["request_policy:all_nodes", "response_policy:special"]),
    ("latency|histogram", &["request_policy:all_nodes", "response_policy:special"]),
    ("latency|history", &["request_policy:all_nodes", "response_policy:special"]),
    ("latency|latest", &["request_policy:all_nodes", "response_policy:special"]),
    ("memory|doctor", &["request_policy:all_shards", "response_policy:special"]),
    ("memory|malloc-stats", &["request_policy:all_shards", "response_policy:special"]),
    ("memory|stats", &["request_policy:all_shards", "response_policy:special"]),
    // What the server gives no tip for, though no shard knows of the others' subscribers, users, snapshots and pauses.
    ("acl|load", &[]),
    ("bgrewriteaof", &[]),
    ("bgsave", &[]),
    ("client|pause", &[]),
    ("client|unpause", &[]),
    ("pubsub|channels", &[]),
    ("pubsub|numpat", &[]),
    ("pubsub|numsub", &[]),
    ("pubsub|shardchannels", &[]),
    ("pubsub|shardnumsub", &[]),
    ("save", &[]),
];

/// One command in the server's words.
struct Said {
    arity: i64,
    flags: Vec<String>,
    tips: Vec<String>,
    key_specs: Vec<Vec<u8>>,
    has_subcommands: bool,
}

fn said_by(redis: &Redis) -> BTreeMap<String, Said> {
    let table = redis.connect().call(&["COMMAND"]);
    let mut said = BTreeMap::new();
    for entry in list(&table) {
        note(entry, &mut said);
    }
    said
}

fn note(entry: &[u8], said: &mut BTreeMap<String, Said>) {
    let parts = list(entry);
    let subcommands = list(parts[9]);
    let command = Said {
        arity: number(parts[1]),
        flags: list(parts[2]).into_iter().map(text).collect(),
        tips: list(parts[7]).into_iter().map(text).collect(),
        key_specs: list(parts[8]).into_iter().map(<[u8]>::to_vec).collect(),
        has_subcommands: !subcommands.is_empty(),
    };
    said.insert(text(parts[0]), command);
    for subcommand in subcommands {
        note(subcommand, said);
    }
}

/// The version whose rows the server should have.
fn checked_version(redis: &Redis) -> (u8, u8) {
    let version = redis.version();
    assert!([(7, 0), (7, 2)].contains(&version), "the table describes 7.0 and 7.2, this is {version:?}");
    version
}

#[test]
fn the_table_is_what_the_server_says() {
    let redis = Redis::start();
    let version = checked_version(&redis);
    let said = said_by(&redis);
    let ours: Vec<&Spec> = commands::all().filter(|spec| spec.since <= version).collect();
    let names: Vec<&str> = ours.iter().map(|spec| spec.name).collect();
    assert_eq!(names, said.keys().map(String::as_str).collect::<Vec<_>>());
    for spec in ours {
        let said = &said[spec.name];
        let same = i64::from(spec.arity) == said.arity && flag_names(spec) == sorted(&said.flags);
        let excepted = version < (7, 2) && LOOSENED_IN_7_2.contains(&spec.name);
        assert_eq!(same, !excepted, "{spec:?} but the server says {} {:?}", said.arity, said.flags);
        assert_eq!(spec.flags.contains(Flags::CONTAINER), said.has_subcommands, "{}", spec.name);
    }
}

#[test]
fn commands_are_spread_as_the_server_advises() {
    let redis = Redis::start();
    let version = checked_version(&redis);
    let said = said_by(&redis);
    for spec in commands::all().filter(|spec| spec.since <= version) {
        let tips = said[spec.name].tips.iter().map(String::as_str);
        let advised: Vec<&str> = tips.filter(|tip| tip.contains("_policy:")).collect();
        let excepted = version < (7, 2) && SPREAD_OTHERWISE_BEFORE_7_2.contains(&spec.name);
        let expected = SPREAD_OTHERWISE.iter().find(|(name, _)| *name == spec.name).map(|(_, tips)| tips.to_vec());
        let expected = expected.unwrap_or_else(|| tips_of(spec, &advised));
        assert_eq!(advised == expected, !excepted, "{spec:?} but the server advises {advised:?}");
    }
}

/// What a server would say of the way in which a command is spread here; "all nodes" is "all shards".
fn tips_of(spec: &Spec, advised: &[&str]) -> Vec<&'static str> {
    let to_nodes = advised.contains(&"request_policy:all_nodes");
    let (request, merge) = match spec.spread {
        Spread::Whole => return Vec::new(),
        Spread::Cursor => return vec!["request_policy:special", "response_policy:special"],
        Spread::Keys(merge) => ("request_policy:multi_shard", merge),
        Spread::Shards(merge) if to_nodes => ("request_policy:all_nodes", merge),
        Spread::Shards(merge) => ("request_policy:all_shards", merge),
    };
    let response = match merge {
        Merge::InOrder | Merge::Concat | Merge::Union | Merge::SumByName => None,
        Merge::Sum => Some("response_policy:agg_sum"),
        Merge::Everywhere => Some("response_policy:agg_logical_and"),
        Merge::Unanimous => Some("response_policy:all_succeeded"),
        Merge::AnyOne => Some("response_policy:one_succeeded"),
        Merge::FirstFound => Some("response_policy:special"),
    };
    [Some(request), response].into_iter().flatten().collect()
}

#[test]
fn every_command_has_the_age_the_server_gives_it() {
    let redis = Redis::start();
    let version = checked_version(&redis);
    let docs = redis.connect().call(&["COMMAND", "DOCS"]);
    let mut seen = 0;
    for pair in list(&docs).chunks_exact(2) {
        seen += check_age(&text(pair[0]), pair[1], version);
    }
    assert_eq!(seen, commands::all().filter(|spec| spec.since <= version).count());
}

fn check_age(name: &str, docs: &[u8], version: (u8, u8)) -> usize {
    let words: Vec<&str> = name.split('|').collect();
    let spec = commands::lookup(words[0].as_bytes(), words.get(1).map(|word| word.as_bytes())).unwrap();
    let since = text(field(docs, "since"));
    let excepted = version < (7, 2) && AGED_IN_7_2.contains(&name);
    let ours = format!("{}.{}.", spec.since.0, spec.since.1);
    assert_eq!(since.starts_with(&ours), !excepted, "{name}: {since}");
    let subcommands = list(docs).chunks_exact(2).find(|pair| text(pair[0]) == "subcommands").map(|pair| pair[1]);
    let subcommands = subcommands.map(list).unwrap_or_default();
    let below: usize = subcommands.chunks_exact(2).map(|pair| check_age(&text(pair[0]), pair[1], version)).sum();
    below + 1
}

#[test]
fn fixed_keys_are_where_the_server_declares_them() {
    let redis = Redis::start();
    let version = checked_version(&redis);
    let said = said_by(&redis);
    let mut compared = 0;
    for spec in commands::all().filter(|spec| spec.since <= version) {
        let KeySpec::Fixed(runs) = spec.keys else { continue };
        let declared = said[spec.name].key_specs.iter();
        let mut expected: Vec<Run> = Vec::new();
        for run in declared.filter_map(|declared| declared_run(spec, declared)) {
            match expected.last_mut() {
                Some(last) if continues(last, &run) => last.last = run.last,
                _ => expected.push(run),
            }
        }
        assert_eq!(runs, expected, "{}", spec.name);
        compared += 1;
    }
    assert!(compared > 300, "{compared}");
}

/// Whether two runs are one: the table joins what the server declares apart (`LMOVE source destination`).
fn continues(run: &Run, next: &Run) -> bool {
    run.access == next.access && (run.step, next.step) == (1, 1) && run.last + 1 == next.first as i8
}

/// A declared range as one of our runs; `None` for what is declared unknown (SORT_RO's patterns).
fn declared_run(spec: &Spec, declared: &[u8]) -> Option<Run> {
    let begin = field(declared, "begin_search");
    if text(field(begin, "type")) == "unknown" {
        return None;
    }
    let first = number(field(field(begin, "spec"), "index"));
    let range = field(field(declared, "find_keys"), "spec");
    let last = match number(field(range, "lastkey")) {
        from_end @ ..0 => from_end,
        offset => first + offset,
    };
    let flags: Vec<String> = list(field(declared, "flags")).into_iter().map(text).collect();
    let has = |flag: &str| flags.iter().any(|name| name == flag);
    let access = match () {
        () if has("not_key") => Access::Channel,
        () if has("RO") || spec.flags.contains(Flags::READONLY) => Access::Read,
        () => Access::Write,
    };
    Some(Run {
        first: u8::try_from(first).unwrap(),
        last: i8::try_from(last).unwrap(),
        step: u8::try_from(number(field(range, "keystep"))).unwrap(),
        access,
    })
}

/// Calls whose keys the server is asked for; all others are covered by their declared places.
const CALLS: &[&str] = &[
    "GET a",
    "MSET a 1 b 2 c 3",
    "BLPOP a b c 0",
    "BITOP AND d a b",
    "COPY a b",
    "LCS a b",
    "OBJECT ENCODING a",
    "MEMORY USAGE a",
    "XINFO STREAM a",
    "XGROUP CREATE a g 0",
    "ZRANGESTORE d a 0 1",
    "PFMERGE d a b",
    "WATCH a b",
    "SINTERSTORE d a b",
    "RENAME a b",
    "SMOVE a b m",
    "LMOVE a b LEFT RIGHT",
    "DEL a b",
    "GETEX a",
    "SET a b GET",
    "BITFIELD a GET u8 0",
    "SORT_RO a BY x_* GET y_*",
    "GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 km",
    "EVAL s 0",
    "EVAL s 0 x",
    "EVAL s 2 a b x",
    "EVALSHA s 1 a",
    "EVAL_RO s 1 a",
    "EVALSHA_RO s 1 a",
    "FCALL f 2 a b",
    "FCALL_RO f 1 a x y",
    "EVAL s 3 a b",
    "EVAL s -1 a",
    "EVAL s x a",
    "ZUNION 2 a b",
    "ZINTER 2 a b WEIGHTS 1 2",
    "ZDIFF 2 a b WITHSCORES",
    "SINTERCARD 2 a b LIMIT 1",
    "ZINTERCARD 2 a b LIMIT 1",
    "ZUNIONSTORE d 2 a b",
    "ZINTERSTORE d 1 a",
    "ZDIFFSTORE d 2 a b",
    "ZUNIONSTORE d 3 a b",
    "LMPOP 2 a b LEFT",
    "BLMPOP 0 2 a b LEFT",
    "ZMPOP 1 a MIN",
    "BZMPOP 0 2 a b MAX",
    "SORT a",
    "SORT a STORE d",
    "SORT a BY store GET store STORE d",
    "SORT a LIMIT 0 1 STORE d STORE e",
    "SORT a STORE",
    "GEORADIUS a 1 1 1 km",
    "GEORADIUS a 1 1 1 km STORE d",
    "GEORADIUS a 1 1 1 km COUNT 1 STOREDIST d",
    "GEORADIUSBYMEMBER a m 1 km",
    "GEORADIUSBYMEMBER a m 1 km STORE d",
    "GEORADIUS_RO a 1 1 1 km",
    "MIGRATE h 1 a 0 9",
    "MIGRATE h 1 a 0 9 COPY REPLACE",
    "MIGRATE h 1 '' 0 9 KEYS a b",
    "MIGRATE h 1 '' 0 9 AUTH keys KEYS a b",
    "MIGRATE h 1 '' 0 9 AUTH2 u keys KEYS a",
    "XREAD STREAMS a b 0 0",
    "XREAD COUNT 1 BLOCK 0 STREAMS a 0",
    "XREADGROUP GROUP g c STREAMS a >",
    "XREADGROUP GROUP g c COUNT 1 NOACK STREAMS a b > >",
    "XREAD STREAMS a",
];

#[test]
fn keys_of_calls_are_those_the_server_finds() {
    let redis = Redis::start();
    let mut connection = redis.connect();
    for call in CALLS {
        let args: Vec<&str> = call.split(' ').map(|word| word.trim_matches('\'')).collect();
        let reply = connection.call(&[&["COMMAND", "GETKEYS"], &args[..]].concat());
        let mut found: Vec<String> = list(&reply).into_iter().map(text).collect();
        let spec = commands::lookup(args[0].as_bytes(), Some(args[1].as_bytes())).unwrap();
        let mut ours: Vec<&str> = commands::keys(spec, &args[..]).map(|key| args[key.index]).collect();
        found.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, found, "{call}: {}", reply.escape_ascii());
    }
}

#[test]
fn every_movable_command_is_among_the_calls() {
    for spec in commands::all().filter(|spec| spec.flags.contains(Flags::MOVABLEKEYS)) {
        let tried =
            CALLS.iter().any(|call| call.split(' ').next().is_some_and(|name| name.eq_ignore_ascii_case(spec.name)));
        assert!(tried, "{}", spec.name);
    }
}

fn flag_names(spec: &Spec) -> Vec<String> {
    sorted(&spec.flags.names().filter(|name| *name != "subcommands").map(str::to_owned).collect::<Vec<_>>())
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}
