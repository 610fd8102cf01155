//! docs/commands.md: failsoft's own commands over a socket: who may run them, what they say, and what they do not mix with.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::replies::{bulk, from_origin};
use common::{Client, Settings, Stage};

const OK: &str = "+OK\r\n";
/// `printf %s letmein | sha256sum`
const LETMEIN: &str = "1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032";

/// What LAST says, its fields in a line.
async fn last(client: &mut Client) -> String {
    let told = client.ask(&["FAILSOFT", "LAST"]).await;
    let lines = told.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$', '%']));
    lines.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_last_answer_is_told_with_its_tier_age_and_reasons() {
    let stage = Stage::with(Settings::patient).await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["FAILSOFT", "LAST"]).await, "$-1\r\n");
    stage.put("plan:1", "paid").await;
    client.get("plan:1").await;
    assert_eq!(last(&mut client).await, "tier primary answer value age-ms :0 stale :0 passed-over");
    client.ask(&["PING"]).await;
    assert_eq!(last(&mut client).await, "tier primary answer value age-ms :0 stale :0 passed-over");
    assert_eq!(client.get("user:7").await, from_origin(7));
    assert_eq!(last(&mut client).await, "tier origin answer value age-ms :0 stale :0 passed-over primary miss absent");
    client.ask(&["MGET", "plan:1", "user:8"]).await;
    assert!(last(&mut client).await.starts_with("tier origin "));
    client.ask(&["INCR", "plan:1"]).await;
    assert_eq!(last(&mut client).await, "tier primary answer passed-on age-ms :0 stale :0 passed-over");

    stage.redis.kill().await;
    stage.await_circuit("open").await;
    assert_eq!(client.get("plan:9").await, bulk("free"));
    let told = last(&mut client).await;
    assert!(told.starts_with("tier default answer value age-ms :0 stale :0 passed-over primary failed "), "{told}");
    client.get("session:1").await;
    let told = last(&mut client).await;
    assert!(told.starts_with("tier answer UNAVAILABLE age-ms :0 stale :0 passed-over primary failed "), "{told}");
}

#[tokio::test]
async fn in_a_pipeline_the_last_answer_is_the_one_before() {
    let stage = Stage::with(Settings::patient).await;
    stage.origin.set_latency(Duration::from_millis(50));
    let mut client = stage.client().await;
    stage.put("plan:1", "paid").await;
    let last = || vec!["FAILSOFT", "LAST"];
    let commands =
        [vec!["GET", "user:1"], vec!["GET", "plan:1"], last(), vec!["GET", "user:2"], last(), vec!["GET", "plan:1"]];
    let replies = client.pipeline(&commands).await;
    assert_eq!((&replies[0], &replies[1]), (&from_origin(1), &bulk("paid")));
    assert!(replies[2].contains("\r\nprimary\r\n"), "{}", replies[2]);
    assert_eq!(replies[3], from_origin(2));
    assert!(replies[4].contains("\r\norigin\r\n"), "{}", replies[4]);
    assert_eq!(replies[5], bulk("paid"));
}

#[tokio::test]
async fn the_state_is_that_of_the_admin_interface_and_help_names_every_command() {
    let stage = Stage::start().await;
    let mut client = stage.client().await;
    let told = client.ask(&["FAILSOFT", "STATE"]).await;
    let json = told.split_once("\r\n").unwrap().1;
    let told: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    let known = stage.state().await;
    for part in ["version", "deployments", "routes"] {
        assert_eq!(told[part].as_array().map(Vec::len), known[part].as_array().map(Vec::len), "{part}");
    }
    assert_eq!(told["server"]["clients"], 1);
    let help = client.ask(&["failsoft", "help"]).await;
    for word in ["HELP", "LAST", "STATE"] {
        assert!(help.contains(&format!("+{word}")), "{help}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_nothing_reaches_redis() {
    let stage = Stage::start().await;
    let mut client = stage.client().await;
    let asked = async || stage.count("failsoft_requests_total", &[]).await;
    let before = asked().await;
    for (call, error) in [
        ("FAILSOFT", "-ERR wrong number of arguments for 'failsoft' command\r\n"),
        ("FAILSOFT LAST x", "-ERR wrong number of arguments for 'failsoft|last' command\r\n"),
        ("FAILSOFT NOSUCH x y", "-ERR unknown subcommand 'NOSUCH'. Try FAILSOFT HELP.\r\n"),
    ] {
        assert_eq!(client.ask(&call.split(' ').collect::<Vec<_>>()).await, error, "{call}");
    }
    assert_eq!(asked().await, before);
}

#[tokio::test]
async fn a_transaction_refuses_them_by_name_and_is_spoiled() {
    let stage = Stage::start().await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(&["MULTI"]).await, OK);
    let refusal = "-ERR FAILSOFT STATE is not allowed in a transaction: Redis does not know it\r\n";
    assert_eq!(client.ask(&["FAILSOFT", "STATE"]).await, refusal);
    assert_eq!(client.ask(&["SET", "plain:1", "x"]).await, "+QUEUED\r\n");
    assert!(client.ask(&["EXEC"]).await.starts_with("-EXECABORT"));
    assert_eq!(stage.redis.get("plain:1").await, None);
}

#[tokio::test]
async fn on_a_connection_of_its_own_a_client_is_answered_where_that_makes_sense() {
    let stage = Stage::start().await;
    let mut elsewhere = stage.client().await;
    assert_eq!(elsewhere.ask(&["SELECT", "3"]).await, OK);
    assert_eq!(elsewhere.ask(&["SET", "plan:1", "x"]).await, OK);
    assert!(last(&mut elsewhere).await.starts_with("tier primary answer value"));
    assert!(elsewhere.ask(&["FAILSOFT", "STATE"]).await.starts_with('$'));
    assert_eq!(elsewhere.ask(&["GET", "plan:1"]).await, bulk("x"));
    assert_eq!(elsewhere.ask(&["SELECT", "0"]).await, OK);
    assert!(last(&mut elsewhere).await.starts_with("tier primary answer value"));

    let mut listener = stage.client().await;
    listener.ask(&["SUBSCRIBE", "news"]).await;
    let refusal = "-ERR Can't execute 'failsoft|state': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
                   are allowed in this context\r\n";
    assert_eq!(listener.ask(&["FAILSOFT", "STATE"]).await, refusal);
    let mut listener = stage.client().await;
    listener.ask(&["HELLO", "3"]).await;
    listener.ask(&["SUBSCRIBE", "news"]).await;
    assert!(listener.ask(&["FAILSOFT", "STATE"]).await.starts_with('$'));
    stage.redis.command(&["PUBLISH", "news", "hello"]).await;
    assert!(listener.reply().await.starts_with('>'));

    let mut monitor = stage.client().await;
    assert_eq!(monitor.ask(&["MONITOR"]).await, OK);
    assert!(
        monitor.ask(&["FAILSOFT", "STATE"]).await.starts_with("-ERR the answer to FAILSOFT STATE could not be told")
    );
}

#[tokio::test]
async fn rules_for_users_hold_for_them() {
    let user = |name: &str, rule: &str| format!("{{ name = '{name}', password_sha256 = ['{LETMEIN}'], {rule} }}");
    let users = format!("[{}, {}]", user("reader", "commands = 'read'"), user("tenant", "keys = ['tenant:*']"));
    let stage = Stage::with(|settings| {
        settings.set("server.auth", "'users'").set("users", &users).set("server.deny_commands", "['FAILSOFT STATE']")
    })
    .await;
    let mut stranger = stage.client().await;
    assert_eq!(stranger.ask(&["FAILSOFT", "HELP"]).await, "-NOAUTH Authentication required.\r\n");
    for name in ["reader", "tenant"] {
        let mut client = stage.client().await;
        assert_eq!(client.ask(&["AUTH", name, "letmein"]).await, OK);
        assert_eq!(client.ask(&["FAILSOFT", "LAST"]).await, "$-1\r\n");
        let denied = "-NOPERM failsoft does not let 'FAILSOFT STATE' through: it is in server.deny_commands\r\n";
        assert_eq!(client.ask(&["failsoft", "state"]).await, denied);
        let refused = "-NOPERM this user has no permissions to run the 'failsoft|mode' command\r\n";
        assert_eq!(client.ask(&["FAILSOFT", "MODE"]).await, refused);
        assert!(client.ask(&["FAILSOFT", "EXPLAIN", "GET", "tenant:1"]).await.starts_with('*'));
        let secret = client.ask(&["FAILSOFT", "EXPLAIN", "SET", "user:1", "x"]).await;
        assert!(secret.starts_with("-NOPERM this user has no permissions to "), "{secret}");
    }
}
