//! docs/faults.md, rows 58 to 63: peers that claim, flood, dawdle and nest, on either side of the sidecar.
//!
//! The measure is the sidecar's resident memory as the kernel tells it, and that another client is served meanwhile.
#![allow(clippy::unwrap_used)]

mod tools;

use std::time::Duration;

use failsoft_testkit::hostile::{Act, HostileClient, HostileServer, Script};
use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;

use tools::{PATIENCE, ask_all, bulk, command, gets, metric, reaches, resident, shown, start};

/// What measuring resident memory is good for.
const NOISE: u64 = 16 << 20;

async fn assert_served(sidecar: &Sidecar) {
    let mut bystander = HostileClient::connect(sidecar.addr()).await;
    assert_eq!(bystander.ask(&["ECHO", "served"], PATIENCE).await, "$6\r\nserved\r\n");
    assert_eq!(bystander.ask(&["SET", "plain", "v"], PATIENCE).await, "+OK\r\n");
}

/// Memory that `act` makes the sidecar grow by, after a first round of traffic.
async fn growth(sidecar: &Sidecar, act: impl AsyncFnOnce()) -> u64 {
    assert_served(sidecar).await;
    let before = resident(sidecar.pid());
    act().await;
    resident(sidecar.pid()).saturating_sub(before)
}

/// Rows 58 and 62, from clients: a claim costs nothing until the bytes arrive.
#[tokio::test]
async fn what_clients_claim_costs_no_memory() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "").await;
    let claims: [&[u8]; 3] =
        [b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc", b"*1048576\r\n$1\r\na\r\n", b"*3\r\n$3\r\nSET\r\n$536870912\r\nk"];
    let mut claimants = Vec::new();
    let grown = growth(&sidecar, async || {
        for claim in claims.iter().cycle().take(150) {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            client.send(claim).await.unwrap();
            claimants.push(client);
        }
        reaches(&sidecar, "failsoft_clients", &[], 150.0).await;
        assert_served(&sidecar).await;
    })
    .await;
    assert!(grown < NOISE, "{grown} bytes for 150 claims");
    assert!(claimants[149].is_silent(Duration::from_millis(1)).await, "a claim that may yet come true is no error");
}

/// Row 62, the long way: an array of a million arguments that do come grows with what came.
#[tokio::test]
async fn a_command_beyond_the_query_buffer_closes_its_client_alone() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "server.max_query_buffer = \"1MiB\"\n").await;
    let grown = growth(&sidecar, async || {
        for _ in 0..100 {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            client.send(b"*1048576\r\n").await.unwrap();
            client.flood(b"$1\r\na\r\n".repeat(1_000), 7 << 20, PATIENCE).await;
            client.read_until_closed(PATIENCE).await;
        }
    })
    .await;
    // Not a hundred times what one of them costs: a mebibyte, and where the arguments are in it.
    assert!(grown < 8 * NOISE, "{grown} bytes");
    reaches(&sidecar, "failsoft_clients_closed_total", &[("reason", "query_buffer")], 100.0).await;
    assert_served(&sidecar).await;
}

async fn before(script: Script, more: &str) -> (HostileServer, HttpOrigin, Sidecar) {
    let (server, origin) = (HostileServer::start(script.polite()).await, HttpOrigin::start().await);
    let more = format!(
        "redis.timeout = \"300ms\"\n{more}\n[origins.catalogue]\nurl = \"{}\"\nmax_concurrency = 20\nmax_rate = 1000\n\n\
         [[routes]]\nkeys = \"user:{{id:int}}\"\nrole = \"cache\"\norigin = \"catalogue\"\nget = \"/users/{{id}}\"\n",
        origin.url()
    );
    let sidecar = start(&server.url(), &more).await;
    (server, origin, sidecar)
}

/// Rows 58 and 63, from the server: whatever it sends, the origin answers, nothing grows and nothing falls over.
#[tokio::test]
async fn what_a_server_claims_sends_or_nests_is_answered_by_the_next_tier() {
    let scripts = [
        ("a bulk of a gibibyte", Script::huge_bulk(1 << 30)),
        ("a bulk as large as may be that never comes", Script::huge_bulk(4 << 20)),
        ("a bulk beyond all numbers", Script::huge_bulk(u64::MAX)),
        ("an array of four billion", Script::always([Act::send("*4294967295\r\n:1\r\n"), Act::Hang])),
        ("a map of two billion", Script::always([Act::send("%2147483647\r\n:1\r\n"), Act::Hang])),
        ("a million levels", Script::deep_nesting(1_000_000)),
        ("a line without an end", Script::endless_line()),
        ("a negative bulk", Script::negative_bulk()),
        ("a verbatim string of a gibibyte", Script::always([Act::send("=1073741824\r\ntxt:"), Act::Hang])),
    ];
    for (name, script) in scripts {
        let (_server, _origin, sidecar) = before(script, "redis.max_value = \"4MiB\"").await;
        let first = resident(sidecar.pid());
        for id in 0..20 {
            let reply = &ask_all(sidecar.addr(), 1, &gets([format!("user:{id}")])).await[0];
            assert_eq!(shown(reply), shown(bulk(HttpOrigin::body_of("users", id))), "{name}");
        }
        let grown = resident(sidecar.pid()).saturating_sub(first);
        // Some hundredths of what was claimed or sent: the longest value, a few times over, and what an origin costs.
        assert!(grown < 96 << 20, "{name}: {grown} bytes");
        assert_eq!(sidecar.get("/livez").await.status, 200, "{name}");
    }
}

/// Row 58 with a Redis that means it: a value beyond the bound fails alone, its neighbours are answered.
#[tokio::test]
async fn a_value_beyond_the_bound_is_a_failure_and_not_a_value() {
    let redis = Redis::start().await;
    let sidecar = start(
        &redis.url(),
        "redis.max_value = \"1MiB\"\n[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\n",
    )
    .await;
    redis.command(&["SET", "page:large", &"x".repeat(4 << 20)]).await;
    redis.command(&["SET", "page:small", &"x".repeat(1 << 20)]).await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    let reply = client.ask(&["GET", "page:large"], PATIENCE).await;
    assert!(reply.starts_with("-UNAVAILABLE "), "{}", &reply[..reply.len().min(200)]);
    eventually("the neighbours to be answered", PATIENCE, || async {
        let reply = &ask_all(sidecar.addr(), 1, &gets(["page:small".to_owned()])).await[0];
        reply.len() == (1 << 20) + 12
    })
    .await;
}

/// Row 59: ten thousand requests in one go, answered in order.
#[tokio::test]
async fn a_pipeline_of_ten_thousand_keeps_its_order() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\n").await;
    let commands: Vec<Vec<u8>> = (0..10_000)
        .map(|at| match at % 3 {
            0 => command(&["SET", "page:1", &at.to_string()]),
            1 => command(&["GET", "page:1"]),
            _ => command(&["ECHO", &at.to_string()]),
        })
        .collect();
    let replies = ask_all(sidecar.addr(), 1, &commands).await;
    for (at, reply) in replies.iter().enumerate() {
        let expected = match at % 3 {
            0 => b"+OK\r\n".to_vec(),
            1 => bulk((at - 1).to_string()),
            _ => bulk(at.to_string()),
        };
        assert_eq!(shown(reply), shown(expected), "reply {at}");
    }
}

/// Row 60: who asks and never reads is not served for ever.
#[tokio::test]
async fn clients_that_never_read_cost_a_bounded_amount() {
    let redis = Redis::start().await;
    redis.command(&["SET", "plain:large", &"x".repeat(100_000)]).await;
    // Hundreds of megabytes pass by, and what is behind them on the same connection waits.
    let patient = "redis.timeout = \"20s\"\nredis.connect_timeout = \"20s\"\nrequest.deadline = \"30s\"\n\
        breaker.slow_call = \"1m\"\n";
    let sidecar = start(&redis.url(), &format!("server.max_output_buffer = \"4MiB\"\n{patient}")).await;
    let mut silent = Vec::new();
    let grown = growth(&sidecar, async || {
        for _ in 0..4 {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            let get = command(&["GET", "plain:large"]);
            let sent = client.flood(get.repeat(100), 64 << 20, Duration::from_secs(1)).await;
            assert!(sent < 64 << 20, "all of {sent} bytes of requests were taken");
            silent.push(client);
        }
        assert_served(&sidecar).await;
    })
    .await;
    // Four clients, four mebibytes and a burst of what was under way each, and what is on its way from Redis.
    assert!(grown < 192 << 20, "{grown} bytes");
}

/// Row 61: five hundred half requests cost little, harm nobody, and have an end.
#[tokio::test]
async fn five_hundred_half_requests_harm_nobody_and_are_closed_in_time() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "server.max_clients = 510\n").await;
    let mut half = Vec::new();
    let grown = growth(&sidecar, async || {
        for at in 0..500 {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            if at % 100 == 0 {
                assert_eq!(client.ask(&["MULTI"], PATIENCE).await, "+OK\r\n");
            }
            client.send(b"*2\r\n$3\r\nGET\r\n$5\r\nke").await.unwrap();
            half.push(client);
        }
        assert_served(&sidecar).await;
    })
    .await;
    assert!(grown < NOISE, "{grown} bytes");
    // One of them dawdles on: a letter now and then does not buy time.
    let mut dawdler = half.pop().unwrap();
    let dawdling = tokio::spawn(async move {
        while dawdler.send(b"y").await.is_ok() {
            // sleeps: the pace of a client that sends a byte a second
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    drop(half.split_off(400));
    reaches(&sidecar, "failsoft_clients_closed_total", &[("reason", "slow")], 400.0).await;
    assert_served(&sidecar).await;
    dawdling.abort();
}

/// Row 61: the bound on clients is Redis' own error, and a place that becomes free is given away.
#[tokio::test]
async fn one_client_too_many_is_told_so_in_redis_words() {
    let redis = Redis::builder().set("maxclients", "3").start().await;
    let unlimited = Redis::start().await;
    let sidecar = start(&unlimited.url(), "server.max_clients = 3\n").await;
    let mut words = Vec::new();
    for addr in [redis.addr(), sidecar.addr()] {
        let mut inside = Vec::new();
        for _ in 0..3 {
            inside.push(HostileClient::connect(addr).await);
            inside.last_mut().unwrap().ask(&["PING"], PATIENCE).await;
        }
        let refused = HostileClient::connect(addr).await.read_until_closed(PATIENCE).await;
        words.push(shown(refused.bytes));
    }
    assert_eq!(words[1], words[0]);
    reaches(&sidecar, "failsoft_clients_refused_total", &[], 1.0).await;
    eventually("a free place", PATIENCE, || async { metric(&sidecar, "failsoft_clients", &[]).await == 0.0 }).await;
    assert_served(&sidecar).await;
}

/// Row 63 from a client: nesting is no request.
#[tokio::test]
async fn a_nested_request_is_refused_at_its_first_level() {
    let redis = Redis::start().await;
    let sidecar = start(&redis.url(), "").await;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    // The sidecar may close before it has read all.
    let _ = client.send("*1\r\n".repeat(100_000)).await;
    let closed = client.read_until_closed(PATIENCE).await;
    let words = "-ERR Protocol error: expected '$', got '*'\r\n";
    assert!(words.starts_with(&shown(&closed.bytes)), "{}", shown(closed.bytes));
    assert_served(&sidecar).await;
}
