//! `failsoft explain` before a real cluster and real sentinels: it looks once, and names the slot, the shard and its nodes.
#![allow(clippy::unwrap_used)]

mod clusters;

use std::process::Output;
use std::time::Duration;

use failsoft_testkit::cluster::{Cluster, Node, slot};
use failsoft_testkit::sentinel::{NAME, Sentinels};
use serde_json::Value;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(20);

const ROUTE: &str = "[[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nlease = \"0s\"\nmax_stale = \"1m\"\n";

async fn explain(nodes: &[String], words: &str) -> Output {
    explain_with("topology = \"cluster\"", nodes, words).await
}

/// Before a deployment of these settings; the words after `-c FILE`, parted by blanks.
async fn explain_with(deployment: &str, nodes: &[String], words: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let nodes = nodes.iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    let settings = format!("[redis]\n{deployment}\nnodes = [{nodes}]\n{ROUTE}");
    std::fs::write(folder.path().join("f.toml"), settings).unwrap();
    let mut failsoft = Command::new(clusters::bin());
    let output = failsoft.current_dir(&folder).args(["explain", "-c", "f.toml"]).args(words.split(' ')).output();
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

async fn said(cluster: &Cluster, words: &str) -> String {
    String::from_utf8(explain(&cluster.urls(), words).await.stdout).unwrap()
}

fn ranges(slots: &[std::ops::RangeInclusive<u16>]) -> String {
    slots.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn it_names_slot_shard_and_nodes_and_whom_each_step_asks() {
    let cluster = Cluster::start().await;
    let (key, number) = ("page:{foo}:1", slot::of("foo"));
    let primary = cluster.primary_of(number).await;
    let replicas = cluster.replicas_of(primary).await;
    let replica = replicas[0];
    let told = said(&cluster, &format!("GET {key}")).await;
    let expected = format!(
        "command   GET {key} (read)\n\
         slot      {number}, by the hash tag {{foo}}\n\
         shard     slots {}\n\
         \x20         primary {}: sound, answers\n\
         \x20         replica {}: answers\n\
         route     page",
        ranges(&primary.slots().await),
        primary.addr(),
        replica.addr()
    );
    assert!(told.starts_with(&expected), "{told}\n---\n{expected}");
    assert!(told.contains(&format!("1. primary {}: asked", primary.addr())), "{told}");
    assert!(told.contains(&format!(". replica {}", replica.addr())), "{told}");

    replica.kill().await;
    let told = said(&cluster, &format!("GET {key}")).await;
    assert!(told.contains(&format!("replica {}: cannot be spoken to (connect_refused)", replica.addr())), "{told}");
}

#[tokio::test]
async fn a_primary_that_the_majority_calls_dead_is_passed_over() {
    let cluster = Cluster::builder().replicas(0).set("cluster-require-full-coverage", "no").start().await;
    let dead = cluster.primary_of(0).await;
    dead.kill().await;
    let key = slot::key_in(0..=100, "page:");
    failsoft_testkit::wait::eventually("the others call it dead", PATIENCE, async || {
        let told = said(&cluster, &format!("GET {key}")).await;
        told.contains(&format!("primary {}: failed, cannot be spoken to", dead.addr()))
            && told.contains("1. primary: passed over: declared_down")
    })
    .await;
}

#[tokio::test]
async fn behind_sentinels_it_names_the_primary_that_they_agree_on() {
    let sentinels = Sentinels::start().await;
    let seeds: Vec<_> = sentinels.sentinels().iter().map(|sentinel| format!("redis://{}", sentinel.addr())).collect();
    let deployment = format!("topology = \"sentinel\"\nmaster_name = \"{NAME}\"");
    let (primary, replicas) = (sentinels.primary().await, sentinels.replicas().await);
    let output = explain_with(&deployment, &seeds, "GET page:1").await;
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("shard     primary {}: sound, answers\n", primary.addr())), "{told}");
    for replica in replicas {
        assert!(told.contains(&format!("replica {}: answers\n", replica.addr())), "{told}");
    }
    assert!(told.contains(&format!("1. primary {}: asked", primary.addr())), "{told}");
    assert!(!told.contains("slot "), "{told}");
}

#[tokio::test]
async fn a_command_for_several_shards_is_shown_taken_apart() {
    let cluster = Cluster::start().await;
    let told = said(&cluster, "MGET page:{foo} page:{bar} page:{foo}x").await;
    let at = |tag: &'static str| cluster.primary_of(slot::of(tag));
    let (foo, bar) = (at("foo").await, at("bar").await);
    let part = |keys: &str, tag: &str, node: &Node| {
        let head = format!("part      {keys}\nslot      {}, by the hash tag {{{tag}}}\n", slot::of(tag));
        let rest = told.split_once(&head).unwrap_or_else(|| panic!("{head}: {told}")).1;
        assert!(rest.split("part  ").next().unwrap().contains(&format!("primary {}: asked", node.addr())), "{told}");
    };
    part("page:{bar}", "bar", bar);
    part("page:{foo} page:{foo}x", "foo", foo);
    let everywhere = said(&cluster, "DBSIZE").await;
    assert_eq!(everywhere.matches(": sound, answers").count(), 3, "{everywhere}");
}

#[tokio::test]
async fn a_program_is_told_the_same() {
    let cluster = Cluster::start().await;
    let told = said(&cluster, "--json SET {foo}x 1 -w primary=moved").await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let primary = cluster.primary_of(slot::of("foo")).await;
    assert_eq!(told["deployment"]["looked"], "understood");
    assert_eq!((&told["located"]["slot"], &told["located"]["hash_tag"]), (&slot::of("foo").into(), &"foo".into()));
    let shard = &told["shard"];
    assert_eq!((&shard["standing"], &shard["primary"]["answers"]), (&"sound".into(), &true.into()));
    assert_eq!(shard["primary"]["node"], primary.addr().to_string());
    assert_eq!(shard["replicas"].as_array().unwrap().len(), 1);
    let steps = told["walks"][0]["steps"].as_array().unwrap();
    let sent: Vec<_> = steps.iter().map(|step| step["sent"].as_str().unwrap()).collect();
    assert_eq!(sent, ["directly", "moved"], "{told:#}");
}

#[tokio::test]
async fn whom_it_could_not_ask_it_says_and_explains_what_the_settings_say() {
    let gone = ["redis://127.0.0.1:1".to_owned()];
    let output = explain(&gone, "GET page:1").await;
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(stderr.contains("looking at [redis]: cluster at 127.0.0.1:1 ..."), "{stderr}");
    assert!(stderr.contains("127.0.0.1:1 cannot be connected to: connect_refused"), "{stderr}");
    let why = "no node of the cluster answers; 127.0.0.1:1 cannot be connected to: connect_refused";
    assert!(stdout.contains(&format!("shard     not known: {why}\n")), "{stdout}");
    assert!(stdout.contains("steps     1. primary: asked"), "{stdout}");

    let offline = explain(&gone, "--offline GET page:1").await;
    assert_eq!(String::from_utf8(offline.stderr).unwrap(), "");
    let stdout = String::from_utf8(offline.stdout).unwrap();
    assert!(stdout.contains("shard     not known: nobody was asked (--offline)"), "{stdout}");
}
