//! What whom is let through, by settings as an operator writes them.

#![allow(clippy::unwrap_used)]

use super::*;

/// `printf %s letmein | sha256sum`
const LETMEIN: &str = "1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032";

fn rules(settings: &str) -> Arc<Rules> {
    let text = settings.replace("LETMEIN", LETMEIN);
    let loaded = failsoft::settings::parse(&text, "failsoft.toml").unwrap_or_else(|problems| panic!("{problems}"));
    loaded.settings.rules().clone()
}

fn client(settings: &str) -> Access {
    Access::new(rules(settings), Arc::default())
}

const USERS: &str = "
server.auth = 'users'
server.deny_commands = ['DEBUG SLEEP', 'CONFIG']
[[users]]
name = 'default'
password_sha256 = ['LETMEIN']
[[users]]
name = 'reader'
password_sha256 = ['LETMEIN']
commands = 'read'
[[users]]
name = 'tenant'
password_sha256 = ['LETMEIN']
keys = ['tenant:*', 'public:{name}']
[[users]]
name = 'gone'
password_sha256 = ['LETMEIN']
enabled = false
";

fn user(name: &str) -> Access {
    let mut access = client(USERS);
    assert_eq!(access.log_in(name.as_bytes(), b"letmein"), Login::Welcome);
    access
}

/// The error for a command, without its first word's repetition; empty if it is allowed.
fn said(access: &Access, call: &str) -> String {
    let words: Vec<&str> = call.split(' ').collect();
    access.judge(&words[..]).error().unwrap_or_default()
}

fn assert_allowed(access: &Access, calls: &[&str]) {
    calls.iter().for_each(|call| assert_eq!(said(access, call), "", "{call}"));
}

fn assert_denied(access: &Access, calls: &[&str]) {
    for call in calls {
        let name =
            spec_of(&call.split(' ').collect::<Vec<_>>()[..]).map_or(call.split(' ').next().unwrap(), |spec| spec.name);
        assert_eq!(said(access, call), format!("NOPERM this user has no permissions to run the '{name}' command"));
    }
}

fn assert_no_key(access: &Access, calls: &[&str]) {
    let words = "NOPERM this user has no permissions to access one of the keys used as arguments";
    calls.iter().for_each(|call| assert_eq!(said(access, call), words, "{call}"));
}

#[test]
fn an_open_door_asks_nothing() {
    let access = client("");
    assert!(access.is_unbounded && !access.is_stranger());
    assert_allowed(&access, &["FLUSHALL", "CONFIG SET dir /", "FT.SEARCH x", "EVAL x 0"]);
}

#[test]
fn a_stranger_may_only_introduce_itself() {
    for access in [client(USERS), client("server.auth = 'redis'")] {
        for call in ["GET x", "PING", "MULTI", "CONFIG GET x", "NO.SUCH", "CLIENT ID", "COMMAND"] {
            assert_eq!(said(&access, call), "NOAUTH Authentication required.", "{call}");
        }
        assert_allowed(&access, &["AUTH x", "HELLO 3", "QUIT", "RESET"]);
    }
}

#[test]
fn names_and_passwords_belong_together_and_a_wrong_one_changes_nothing() {
    let mut access = client(USERS);
    for (name, password) in [("default", "LETMEIN"), ("default", ""), ("nobody", "letmein"), ("gone", "letmein")] {
        assert_eq!(access.log_in(name.as_bytes(), password.as_bytes()), Login::Wrong);
        assert!(access.is_stranger());
    }
    assert_eq!(access.log_in(b"tenant", b"letmein"), Login::Welcome);
    assert_eq!(access.log_in(b"default", b"wrong"), Login::Wrong);
    assert_no_key(&access, &["GET other"]);
    access.log_out();
    assert!(access.is_stranger());
    assert_eq!(access.stats.failures.get(), 5);
}

#[test]
fn the_last_guess_that_a_connection_has_is_counted_over_all_of_them() {
    let mut access = client(USERS);
    for _ in 1..MAX_FAILURES {
        assert_eq!(access.log_in(b"default", b"guess"), Login::Wrong);
    }
    assert_eq!(access.log_in(b"default", b"letmein"), Login::Welcome, "still only guesses that are wrong count");
    assert_eq!(access.log_in(b"default", b"guess"), Login::OnceTooOften);
}

#[test]
fn what_is_listed_is_denied_to_everybody_in_words_of_our_own() {
    for access in [user("default"), user("reader"), client("server.deny_commands = ['CONFIG', 'DEBUG SLEEP']")] {
        let words = "NOPERM failsoft does not let 'CONFIG SET' through: it is in server.deny_commands";
        assert_eq!(said(&access, "config sEt dir /"), words);
        assert_eq!(
            said(&access, "Debug Sleep 1"),
            "NOPERM failsoft does not let 'DEBUG' through: it is in server.deny_commands"
        );
        assert_allowed(&access, &["GET config", "PING", "INFO"]);
    }
    assert_allowed(&user("default"), &["FLUSHALL", "DEBUG OBJECT x", "NO.SUCH x"]);
}

#[test]
fn a_reader_reads() {
    let reader = user("reader");
    assert_allowed(
        &reader,
        &[
            "GET x",
            "MGET x y",
            "SCAN 0",
            "KEYS *",
            "XREAD STREAMS x 0",
            "XREAD BLOCK 0 STREAMS x 0",
            "EVAL_RO x 0",
            "SUBSCRIBE x",
            "MULTI",
            "EXEC",
            "WATCH x",
            "INFO",
            "TIME",
            "COMMAND DOCS",
            "CLIENT SETNAME x",
            "SELECT 1",
            "PING",
            "SORT_RO x BY y",
            "OBJECT ENCODING x",
            "AUTH x",
            "MEMORY USAGE x",
            "FAILSOFT FLAG x",
        ],
    );
    assert_denied(
        &reader,
        &[
            "SET x y",
            "DEL x",
            "GETDEL x",
            "GETEX x",
            "BLPOP x 0",
            "EVAL x 0",
            "FCALL f 0",
            "PUBLISH x y",
            "FLUSHALL",
            "SORT x",
            "MONITOR",
            "CLIENT KILL x",
            "SCRIPT LOAD x",
            "SCRIPT FLUSH",
            "FUNCTION LOAD x",
            "ACL LIST",
            "SAVE",
            "SHUTDOWN",
            "REPLICAOF x y",
            "FAILSOFT LIMIT x 1 1000",
            "FAILSOFT LOCK x 1000",
            "PSYNC x y",
            "SLOWLOG GET",
            "FT.SEARCH x",
            "SCRIPT DEBUG yes",
            "MODULE LIST",
        ],
    );
}

#[test]
fn a_tenant_keeps_to_its_keys() {
    let tenant = user("tenant");
    assert_allowed(
        &tenant,
        &[
            "GET tenant:1",
            "SET tenant:1 x",
            "MGET tenant:1 public:x",
            "DEL tenant:1",
            "BLPOP tenant:q 0",
            "XREAD STREAMS tenant:s 0",
            "COPY tenant:1 tenant:2",
            "WATCH tenant:1",
            "MULTI",
            "PING",
            "INFO",
            "SORT tenant:1 STORE tenant:2",
            "ZUNIONSTORE tenant:z 2 tenant:a tenant:b",
            "PUBLISH any x",
            "SPUBLISH any x",
        ],
    );
    assert_no_key(
        &tenant,
        &[
            "GET other",
            "SET other x",
            "GET Tenant:1",
            "MGET tenant:1 other",
            "DEL tenant:1 other",
            "BLPOP tenant:q other 0",
            "XREAD STREAMS other 0",
            "COPY tenant:1 other",
            "RENAME other tenant:1",
            "WATCH tenant:1 other",
            "SORT tenant:1 STORE other",
            "ZUNIONSTORE tenant:z 2 tenant:a other",
            "PFMERGE other",
            "GET public:x:y",
            "OBJECT FREQ other",
            "MEMORY USAGE other",
            "GET public:",
        ],
    );
    assert_denied(
        &tenant,
        &[
            "SCAN 0",
            "KEYS *",
            "RANDOMKEY",
            "FLUSHALL",
            "FLUSHDB",
            "SWAPDB 0 1",
            "EVAL x 1 tenant:1",
            "EVAL_RO x 0",
            "FCALL f 0",
            "MONITOR",
            "DEBUG OBJECT tenant:1",
            "SORT tenant:1 BY w_*",
            "SORT tenant:1 LIMIT 0 1 get x_*",
            "FT.SEARCH tenant:1",
            "CLUSTER GETKEYSINSLOT 0 1",
            "ACL SETUSER x",
            "SYNC",
            "CLIENT TRACKING on bcast",
        ],
    );
}

#[test]
fn new_rules_hold_for_those_who_are_in() {
    let mut tenant = user("tenant");
    tenant.take_up(&rules(&USERS.replace("'tenant:*'", "'others:*'")));
    assert_no_key(&tenant, &["GET tenant:1"]);
    tenant.take_up(&rules(&USERS.replace("LETMEIN", &"0".repeat(64))));
    assert_allowed(&tenant, &["GET tenant:1"]);
    tenant.take_up(&rules(&USERS.replace("'tenant'", "'renamed'")));
    assert!(tenant.is_stranger());
    tenant.take_up(&rules("server.deny_commands = ['GET']"));
    assert!(!tenant.is_stranger() && !tenant.is_unbounded);
    tenant.take_up(&rules(""));
    assert!(tenant.is_unbounded);
    tenant.take_up(&rules("server.auth = 'redis'"));
    assert!(tenant.is_stranger());
}

#[test]
fn what_is_refused_is_counted_by_why() {
    let (stranger, tenant) = (client(USERS), user("tenant"));
    for (access, call) in [(&stranger, "GET x"), (&tenant, "SCAN 0"), (&tenant, "GET x"), (&tenant, "CONFIG GET x")] {
        assert_ne!(said(access, call), "");
    }
    let counted = |access: &Access| access.stats.refused.each_ref().map(Counter::get);
    assert_eq!((counted(&stranger), counted(&tenant)), ([1, 0, 0, 0], [0, 1, 1, 1]));
}

#[test]
fn whoever_may_little_may_still_ask_what_clients_of_clusters_begin_with_and_change_nothing_of_a_cluster() {
    for access in [user("reader"), user("tenant")] {
        let asked = ["SLOTS", "SHARDS", "nodes", "INFO", "MYID", "KEYSLOT other"];
        assert_allowed(&access, &asked.map(|word| format!("CLUSTER {word}")).each_ref().map(String::as_str));
        assert_allowed(&access, &["READONLY", "READWRITE", "ASKING"]);
        let changes = ["RESET", "failover", "SETSLOT 1 STABLE", "GETKEYSINSLOT 1 1", "COUNTKEYSINSLOT 1", "FORGET x"];
        assert_denied(&access, &changes.map(|word| format!("cluster {word}")).each_ref().map(String::as_str));
        assert!(said(&access, "CLUSTER MIGRATESLOTS").starts_with("NOPERM"));
    }
}
