//! Bytes that are not a request, and the order of those that are.
//!
//! A real Redis is the judge of bad input: its words, and that it closes, byte for byte. Where failsoft is stricter on
//! purpose (what follows a bulk string, a NUL in an inline command), it says so in its own words, and a test here too.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;

use tools::malformed::{malformed, until_closed};
use tools::{Dice, PATIENCE, bulk, command, shown, start};

async fn stage() -> (Redis, HttpOrigin, Sidecar) {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    let more = format!(
        r#"
redis.timeout = "5s"
request.deadline = "20s"

[origins.catalogue]
url = "{}"
max_concurrency = 20
queue = 10000
max_wait = "20s"
timeout = "10s"

[[routes]]
keys = "user:{{id:int}}"
role = "cache"
origin = "catalogue"
get = "/users/{{id}}"

[[routes]]
keys = "page:*"
role = "cache"
lease = "0s"
"#,
        origin.url()
    );
    let sidecar = start(&redis.url(), &more).await;
    (redis, origin, sidecar)
}

#[tokio::test]
async fn malformed_requests_get_redis_own_words_and_a_closed_connection() {
    let (redis, _origin, sidecar) = stage().await;
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    for input in malformed() {
        let expected = until_closed(redis.addr(), &input).await;
        let got = until_closed(sidecar.addr(), &input).await;
        assert_eq!(got, expected, "{:?}", shown(&input[..input.len().min(60)]));
        assert_eq!(bystander.ask(&["PING"], PATIENCE).await, "+PONG\r\n");
    }
}

#[tokio::test]
async fn what_came_whole_before_is_answered_first_and_nothing_after_is_done() {
    let (redis, _origin, sidecar) = stage().await;
    for input in malformed() {
        let before = [command(&["SET", "page:1", "before"]), command(&["GET", "page:1"]), command(&["GET", "user:3"])];
        let whole = [before.concat(), input.clone(), command(&["SET", "page:1", "smuggled"])].concat();
        let got = until_closed(sidecar.addr(), &whole).await;
        let words = until_closed(redis.addr(), &input).await;
        let user = shown(bulk(HttpOrigin::body_of("users", 3)));
        assert_eq!(got, format!("+OK\r\n$6\r\nbefore\r\n{user}{words}"), "{:?}", shown(&input[..input.len().min(60)]));
        assert_eq!(redis.get("page:1").await.as_deref(), Some("before"));
    }
}

#[tokio::test]
async fn what_redis_reads_unseen_is_refused_in_our_words() {
    let (_redis, _origin, sidecar) = stage().await;
    let inputs: [(&[u8], &str); 2] = [
        (b"*1\r\n$4\r\nPINGxx", "-ERR Protocol error: expected CRLF after bulk\r\n"),
        (b"GET a\0b\r\n", "-ERR Protocol error: too big inline request\r\n"),
    ];
    for (input, words) in inputs {
        assert_eq!(until_closed(sidecar.addr(), input).await, words, "{:?}", shown(input));
    }
}

/// Whole requests of odd but proper form, cut into single bytes.
#[tokio::test]
async fn odd_but_proper_requests_are_answered_as_redis_answers_them() {
    let (redis, _origin, sidecar) = stage().await;
    let inputs: [&[u8]; 10] = [
        b"PING\r\n",
        b"ping\n",
        b"\r\n\r\n*0\r\n*-1\r\nPING\r\n",
        b"  SET   plain  \"a\\x41\\n b\"  \r\nGET plain\r\n",
        b"SET plain 'it\\'s'\nGET plain\n",
        b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
        b"*2\r\n$3\r\ngEt\r\n$5\r\npla\r\n\r\n",
        b"NOSUCHCOMMAND a \"b c\"\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*1\r\n$3\r\nGET\r\n",
    ];
    for input in inputs {
        let mut replies = Vec::new();
        for addr in [redis.addr(), sidecar.addr()] {
            let mut client = HostileClient::connect(addr).await;
            client.send_slices(input, 1, std::time::Duration::ZERO).await.unwrap();
            client.send(command(&["ECHO", "the end"])).await.unwrap();
            let mut got = String::new();
            while !got.ends_with("the end\r\n") {
                got += &shown(client.read_reply(PATIENCE).await);
            }
            replies.push(got);
        }
        assert_eq!(replies[1], replies[0], "{:?}", shown(input));
    }
}

/// A client that asks for RESP3 is answered in it by every tier, as Redis would.
#[tokio::test]
async fn resp3_is_spoken_by_every_tier() {
    let (redis, _origin, sidecar) = stage().await;
    redis.command(&["HSET", "hash", "field", "value"]).await;
    redis.command(&["ZADD", "board", "1.5", "ann"]).await;
    let mut direct = HostileClient::connect(redis.addr()).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    direct.ask(&["HELLO", "3"], PATIENCE).await;
    assert!(client.ask(&["HELLO", "3"], PATIENCE).await.starts_with("%7\r\n"));
    let asked: [&[&str]; 7] = [
        &["HGETALL", "hash"],
        &["ZRANGE", "board", "0", "-1", "WITHSCORES"],
        &["GET", "nothing"],
        &["MGET", "nothing", "page:nothing"],
        &["CONFIG", "GET", "maxmemory"],
        &["HGET", "hash", "nothing"],
        &["NOSUCHCOMMAND"],
    ];
    for words in asked {
        assert_eq!(client.ask(words, PATIENCE).await, direct.ask(words, PATIENCE).await, "{words:?}");
    }
    let mut older = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(older.ask(&["GET", "nothing"], PATIENCE).await, "$-1\r\n", "RESP2 beside it");
    redis.kill().await;
    let missing = client.ask(&["GET", "user:999999999"], PATIENCE).await;
    assert_eq!(missing, "_\r\n", "the origin's absence in RESP3");
    assert!(client.ask(&["GET", "user:7"], PATIENCE).await.starts_with('$'));
}

/// Each protocol has connections of its own to Redis; what a client asks in one after the other came in any order there.
#[tokio::test]
async fn a_protocol_that_changes_in_the_middle_of_a_pipeline_keeps_its_order() {
    let (redis, _origin, sidecar) = stage().await;
    let mut clients = tokio::task::JoinSet::new();
    for own in 0..8 {
        let addr = sidecar.addr();
        clients.spawn(async move {
            let mut client = HostileClient::connect(addr).await;
            let key = format!("counter:{own}");
            let switches = ["HELLO 3", "RESET", "HELLO 3", "HELLO 2", "HELLO", "RESET"];
            let (mut requests, mut counted) = (Vec::new(), 0);
            for round in 0..120 {
                requests.extend(command(&["INCR", &key]).repeat(round % 5));
                // One array of arguments after an inline command after an array.
                requests.extend_from_slice(format!("INCR {key}\r\n").as_bytes());
                requests.extend(command(&switches[round % 6].split(' ').collect::<Vec<_>>()));
            }
            client.send_slices(requests, 700, std::time::Duration::ZERO).await.unwrap();
            for round in 0..120 {
                for _ in 0..=round % 5 {
                    counted += 1;
                    assert_eq!(shown(client.read_reply(PATIENCE).await), format!(":{counted}\r\n"), "{own}, {round}");
                }
                let start = ["%7\r\n", "+RESET", "%7\r\n", "*14\r\n", "*14\r\n", "+RESET"][round % 6];
                let reply = shown(client.read_reply(PATIENCE).await);
                assert!(reply.starts_with(start), "{start:?}, not {reply}");
            }
            counted
        });
    }
    for counted in clients.join_all().await {
        assert_eq!(counted, 360);
    }
    assert_eq!(redis.get("counter:0").await.as_deref(), Some("360"));
}

/// One pipeline of everything: what each reply must be is known when its command is written.
#[tokio::test]
async fn replies_come_in_the_order_of_requests_whatever_answers_them() {
    let (redis, origin, sidecar) = stage().await;
    origin.set_latency(std::time::Duration::from_millis(3));
    origin.set_largest_id(500_000);
    let unknown = {
        let mut client = HostileClient::connect(redis.addr()).await;
        client.ask(&["NOSUCHCOMMAND", "x"], PATIENCE).await.into_bytes()
    };
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut writer = Writer { seed, unknown: unknown.clone(), pages: Default::default() };
        let (mut requests, mut expected) = (Vec::new(), Vec::new());
        for step in 0..400 {
            let (request, reply) = writer.next(step, &mut dice);
            requests.extend_from_slice(&request);
            expected.push(reply);
        }
        let mut client = HostileClient::connect(sidecar.addr()).await;
        client.send_slices(&requests, 1 + dice.roll(4_000), std::time::Duration::ZERO).await.unwrap();
        for (step, expected) in expected.into_iter().enumerate() {
            let got = client.read_reply(PATIENCE).await;
            assert_eq!(shown(got), shown(expected), "reply {step} of the pipeline with seed {seed}");
        }
    }
}

/// Writes commands and knows their replies.
struct Writer {
    seed: u64,
    unknown: Vec<u8>,
    pages: std::collections::HashMap<usize, String>,
}

impl Writer {
    fn next(&mut self, step: usize, dice: &mut Dice) -> (Vec<u8>, Vec<u8>) {
        let id = dice.roll(200) + 1_000 * self.seed as usize;
        let nobody = 500_001 + id;
        let page = dice.roll(10);
        let user = || bulk(HttpOrigin::body_of("users", id as u64));
        match dice.roll(9) {
            0 => (command(&["PING"]), b"+PONG\r\n".to_vec()),
            1 => (command(&["ECHO", &format!("{step}")]), bulk(format!("{step}"))),
            2 | 3 => (command(&["GET", &format!("user:{id}")]), user()),
            4 => (command(&["GET", &format!("user:{nobody}")]), b"$-1\r\n".to_vec()),
            5 => {
                self.pages.insert(page, format!("{step}"));
                (command(&["SET", &self.page(page), &format!("{step}")]), b"+OK\r\n".to_vec())
            }
            6 => (command(&["GET", &self.page(page)]), self.at(page)),
            7 => {
                let words = ["MGET".into(), format!("user:{id}"), self.page(page), format!("user:{nobody}")];
                (command(&words), [b"*3\r\n".to_vec(), user(), self.at(page), b"$-1\r\n".to_vec()].concat())
            }
            _ => (command(&["NOSUCHCOMMAND", "x"]), self.unknown.clone()),
        }
    }

    fn page(&self, page: usize) -> String {
        format!("page:{}:{page}", self.seed)
    }

    fn at(&self, page: usize) -> Vec<u8> {
        self.pages.get(&page).map_or(b"$-1\r\n".to_vec(), bulk)
    }
}
