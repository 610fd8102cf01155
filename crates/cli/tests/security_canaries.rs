//! docs/security.md, point 8: keys, values, names, channels and passwords are told to nobody but their own client.
//!
//! Everything that clients send here says `canary`, in whatever case it comes back: the log at its most talkative, the
//! metrics, the state, the process list and the errors that other tiers answer with must not.
#![allow(clippy::unwrap_used)]

mod tools;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::origin::{HttpOrigin, OriginMode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;

use tools::{PATIENCE, command, reaches, shown, start};

/// Every way in which bytes of a client get into failsoft: keys, values, fields, scripts, names, channels, users.
const CALLS: &[&str] = &[
    "SET canary-key canary-value",
    "GET canary-key",
    "GET page:canary",
    "GET user:canary",
    "MGET page:canary user:canary canary-key",
    "SET page:canary canary-value",
    "HSET canary-hash canary-field canary-value",
    "LPUSH canary-key canary-value",
    "INCR canary-key",
    "EVAL return{redis.call('canary-command')} 1 canary-key canary-value",
    "EVALSHA canary-sha 0",
    "CLIENT SETNAME canary-name",
    "canary-command canary-key",
    "CLIENT canary-subcommand",
    "AUTH canary-password",
    "AUTH canary-user canary-password",
    "HELLO 3 AUTH canary-user canary-password SETNAME canary-name",
    "HELLO 2 canary-option",
    "SELECT canary",
    "MULTI",
    "SET canary-key canary-value",
    "canary-command canary-key",
    "EXEC",
    "WATCH canary-key",
    "GET canary-key",
    "UNWATCH",
    "SUBSCRIBE canary-channel",
    "UNSUBSCRIBE canary-channel",
    "BLPOP canary-nothing 0.01",
    "SELECT 3",
    "GET canary-key",
    "AUTH canary-user canary-password",
    "SELECT 0",
    "PUBLISH canary-channel canary-value",
];

/// What ends a connection.
const LAST_WORDS: [&str; 4] = [
    "*2\r\n$3\r\nGET\r\n$canary\r\n",
    "SET canary-key \"canary-value\r\n",
    "POST canary-path HTTP/1.1\r\n",
    "*canary\r\n",
];

/// Returns how many replies said canary themselves: to their own client they may.
async fn say_everything(sidecar: &Sidecar) -> usize {
    let mut echoed = 0;
    let mut client = HostileClient::connect(sidecar.addr()).await;
    for call in CALLS {
        if client.send(command(&call.split(' ').collect::<Vec<_>>())).await.is_err() {
            break;
        }
        // Without Redis a client that has a state is let go.
        match client.next_reply(PATIENCE).await {
            Some(reply) => echoed += usize::from(shown(reply).contains("canary")),
            None => client = HostileClient::connect(sidecar.addr()).await,
        }
    }
    for words in LAST_WORDS {
        for state in ["", "MULTI\r\n"] {
            let mut client = HostileClient::connect(sidecar.addr()).await;
            // It may be closed before all is sent.
            let _ = client.send(format!("{state}{words}")).await;
            client.read_until_closed(PATIENCE).await;
        }
    }
    let mut gone = HostileClient::connect(sidecar.addr()).await;
    gone.send([command(&["BLPOP", "canary-nothing", "0"]), command(&["GET", "canary-key"])].concat()).await.unwrap();
    gone.reset();
    echoed
}

async fn assert_told_to_nobody(sidecar: &Sidecar, when: &str) {
    let process = |file: &str| std::fs::read(format!("/proc/{}/{file}", sidecar.pid())).unwrap();
    for (place, told) in [
        ("log", sidecar.log().into_bytes()),
        ("metrics", sidecar.get("/metrics").await.body.into_bytes()),
        ("state", sidecar.state().await.into_bytes()),
        ("readiness", sidecar.get("/readyz").await.body.into_bytes()),
        ("process list", process("cmdline")),
        ("environment", process("environ")),
    ] {
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(!told.to_lowercase().contains("canary"), "{when}, {place}: {told}");
        assert!(!told.is_empty(), "{when}, {place}: nothing was looked at");
    }
}

#[tokio::test]
async fn what_clients_say_is_in_no_log_metric_state_or_process_list() {
    let (redis, origin) = (Redis::start().await, HttpOrigin::start().await);
    redis.acl_user("canary-user", "canary-password", "~* &* +@all").await;
    // failsoft's own password comes from a file, as one should: it is in no process list either.
    redis.require_password("canary-own-password").await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "canary-own-password\n").unwrap();
    let more = format!(
        "redis.password_file = \"{}\"\nredis.timeout = \"200ms\"\nredis.probe_interval = \"20ms\"\nbreaker.cooldown = \"100ms\"\n\
         breaker.probe_cooldown = \"100ms\"\nlog.level = \"trace\"\n[origins.catalogue]\nurl = \"{}\"\nmax_concurrency = 20\nmax_rate = 1000\n\
         [[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nmax_stale = \"10m\"\n\
         [[routes]]\nkeys = \"user:{{id}}\"\nrole = \"cache\"\norigin = \"catalogue\"\nget = \"/users/{{id}}\"\n",
        secret.path().display(),
        origin.url()
    );
    let sidecar = start(&format!("redis://{}", redis.addr()), &more).await;
    reaches(&sidecar, "failsoft_node_probes_total", &[("result", "well")], 1.0).await;
    let echoed = say_everything(&sidecar).await;
    assert!(echoed > 5, "only {echoed} replies say what was said");
    assert_told_to_nobody(&sidecar, "all well").await;

    origin.set_mode(OriginMode::Refuse).await;
    redis.pause();
    say_everything(&sidecar).await;
    assert_told_to_nobody(&sidecar, "Redis silent, the origin gone").await;
    reaches(&sidecar, "failsoft_node_circuit_state", &[("state", "open")], 1.0).await;
    say_everything(&sidecar).await;
    redis.resume();
    redis.kill().await;
    say_everything(&sidecar).await;
    assert_told_to_nobody(&sidecar, "Redis gone").await;
}
