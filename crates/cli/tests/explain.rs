//! `failsoft explain` as a person or a script uses it.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

const SETTINGS: &str = r#"[redis]
nodes = ["redis://127.0.0.1:1"]
replicas = ["redis://127.0.0.1:2"]

[origins.users]
url = "sqlite://nowhere.db"
max_rate = 10

[[routes]]
keys = "user:{id:int}"
role = "cache"
origin = "users"
query = "SELECT name FROM users WHERE id = :id"
max_stale = "10m"
default = "{}"

[[routes]]
keys = "session:*"
role = "session"
"#;

/// The words after `-c FILE`, parted by blanks.
fn explain(words: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.toml"), SETTINGS).unwrap();
    let mut failsoft = Command::new(env!("CARGO_BIN_EXE_failsoft"));
    failsoft.current_dir(&folder).args(["explain", "-c", "f.toml"]).args(words.split(' ')).output().unwrap()
}

fn said(words: &str) -> String {
    let output = explain(words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(words: &str) -> String {
    let output = explain(words);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_way_of_a_read_in_an_outage() {
    let expected = "\
command   GET user:42 (read)
when      primary=silent, replica=open, local=stale, origin=shed
route     user (\"user:{id:int}\", f.toml:9)
role      cache, fails open: a lower tier may answer
bound     id = 42
steps     1. primary 127.0.0.1:1: asked, at most 200ms: silent (reply_timeout)
          2. replica (after 200ms): passed over: circuit_open
          3. local (after 200ms): looked for a fresh copy: miss (too_old)
          4. origin users (after 200ms): asked, at most 800ms: failed (shed)
          5. local (after 200ms): looked for a copy, fresh or stale up to 10m: hit
             default: not needed
reply     value from local (stale up to 10m)
time      at most 1s; in any case at most 1s, the deadline
";
    let when = "--when primary=silent --when replica=open --when local=stale --when origin=shed";
    assert_eq!(said(&format!("GET user:42 {when}")), expected);
}

#[test]
fn without_conditions_the_tiers_below_are_told_too() {
    let text = said("GET user:42");
    let (healthy, below) = text.split_once("\n\n").unwrap();
    assert!(healthy.contains("reply     value from primary\n"), "{text}");
    let tiers = ["primary", "replica", "local", "origin users", "local", "default"];
    let mut rest = below;
    for tier in tiers {
        rest = rest.split_once(&format!(". {tier} ")).unwrap_or_else(|| panic!("{tier} in order: {text}")).1;
    }
    assert!(rest.contains("when all fail: the route's default value"), "{text}");
}

#[test]
fn errors_are_shown_as_a_client_sees_them() {
    let reply = |words: &str| {
        let text = said(words);
        text.lines().find_map(|line| line.strip_prefix("reply     ").map(str::to_owned)).unwrap()
    };
    assert!(
        reply("GET session:1 -w primary=down").starts_with("-UNAVAILABLE nothing was done, try again tier=primary")
    );
    assert!(reply("SET user:1 x -w primary=silent").starts_with("-OUTCOMEUNKNOWN "));
    assert!(reply("SET user:1 x -w primary=oom").starts_with("-OOM "));
    assert!(reply("GET other -w primary=loading").starts_with("-LOADING "));
    assert_eq!(reply("GET user:1 -w primary=miss -w origin=miss"), "(nil)    (absent, says origin)");
}

#[test]
fn a_key_without_a_route_and_a_command_without_a_name_are_said_to_be() {
    assert!(said("GET other").contains("route     none matches the key: as plain Redis does\n"));
    assert!(said("GETT user:1").contains("failsoft knows no command GETT; did you mean GET?\n"));
    assert!(said("PING").contains("no node is asked"));
    assert!(said("BLPOP a 0").contains("on a connection that belongs to this client"));
}

#[test]
fn what_cannot_be_explained_is_one_sentence_and_a_hint() {
    for (words, sentence) in [
        ("GET", "error: wrong number of arguments for GET\nhint: GET takes 1;"),
        ("GET user:1 -w primary=dwn", "error: `dwn` is no condition of tier primary; did you mean `down`?\nhint: "),
        ("GET user:1 -w primray=up", "error: there is no tier `primray`; did you mean `primary`?\nhint: "),
    ] {
        assert!(refused(words).starts_with(sentence), "{words}: {}", refused(words));
    }
}

#[test]
fn a_program_gets_json() {
    let told: serde_json::Value = serde_json::from_str(&said("--json GET user:42 -w primary=down")).unwrap();
    let walk = &told["walks"][0];
    assert_eq!((&walk["line"], &walk["bound"]["id"], &walk["role"]), (&9.into(), &"42".into(), &"cache".into()));
    assert_eq!(walk["steps"][0]["reason"], "connect_refused");
    assert_eq!((&walk["ending"], &walk["at_most_ms"]), (&"value from replica".into(), &200.into()));
}
