//! Deployments of every topology: what may be said about them, what is refused, and what it means.

use super::*;
use failsoft_core::{Tier, TierSet};
use std::net::IpAddr;
use std::time::Duration;

/// Mistakes in one or two lines, and what is said about them.
const MISTAKES: &[(&str, &str)] = &[
    // Sentinel.
    ("redis.topology = \"sentinel\"", "error: topology \"sentinel\" needs `nodes` and `master_name`"),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://s\"] }",
        "error: topology \"sentinel\" needs `master_name`",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://app@s\"], master_name = \"m\" }",
        "error: the URL of a sentinel names neither user nor password nor database",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://s/1\"], master_name = \"m\" }",
        "error: the URL of a sentinel names neither user nor password nor database",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"unix:///run/s\"], master_name = \"m\" }",
        "error: a sentinel is named by host and port, not by a socket in the file system",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://s\", \"redis://s:26379\"], master_name = \"m\" }",
        "error: s:26379 is named more than once",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://s\"], master_name = \"m\", replicas = [\"redis://r\"] }",
        "error: `replicas` is for topology \"standalone\"; here they are learned of",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://s\"], master_name = \"m\", sentinel_password_env = \"NOWHERE\" }",
        "error: the environment variable NOWHERE is not set",
    ),
    (
        "redis = { topology = \"sentinel\", nodes = [\"redis://s\"], master_name = \"m\", sentinel_password_env = \"A\", sentinel_password_file = \"b\" }",
        "error: the password is given in more than one way",
    ),
    ("redis.master_name = \"m\"", "error: `master_name` is for topology \"sentinel\"; here it is \"standalone\""),
    (
        "redis = { topology = \"cluster\", sentinel_username = \"u\" }",
        "error: `sentinel_username` is for topology \"sentinel\"; here it is \"cluster\"",
    ),
    // Cluster.
    ("redis = { topology = \"cluster\", database = 1 }", "error: a cluster has only database 0"),
    ("redis = { topology = \"cluster\", nodes = [\"redis://h/2\"] }", "error: a cluster has only database 0"),
    (
        "redis = { topology = \"cluster\", nodes = [\"unix:///run/r\"] }",
        "error: a node of a cluster is named by host and port, not by a socket in the file system",
    ),
    (
        "redis = { topology = \"cluster\", nodes = [\"redis://a\", \"redis://b\", \"redis://a:6379\"] }",
        "error: a:6379 is named more than once",
    ),
    (
        "redis = { topology = \"cluster\", nodes = [\"redis://a\", \"rediss://b\"] }",
        "error: some of `nodes` are spoken to over TLS and some are not",
    ),
    (
        "redis = { topology = \"cluster\", nodes = [\"redis://a\", \"redis://app@b\"] }",
        "error: all nodes of a cluster are spoken to with the first one's credentials",
    ),
    (
        "redis = { topology = \"cluster\", replicas = [\"redis://r\"] }",
        "error: `replicas` is for topology \"standalone\"; here they are learned of",
    ),
    // What is learned.
    ("redis = { topology = \"cluster\", networks = [\"10.0.0.0/8\", \"cache\"] }", "error: `cache` is not a network"),
    (
        "redis = { topology = \"cluster\", networks = [\"10.0.0.1/8\"] }",
        "error: `10.0.0.1/8` has bits set beyond the first 8, so it names one address and not a network",
    ),
    ("redis = { topology = \"cluster\", networks = [] }", "error: `networks` must name at least 1"),
    (
        "redis = { topology = \"cluster\", rewrite = { \"10.0.0.1:x\" = \"h\" } }",
        "error: `10.0.0.1:x` is not where a node is: its port is not a number from 1 to 65535",
    ),
    (
        "redis = { topology = \"cluster\", rewrite = { \"10.0.0.1\" = \"h:1\" } }",
        "error: `10.0.0.1` is any port there, and all of them would become one node",
    ),
    (
        "redis = { topology = \"cluster\", rewrite = { Inside = \"h\", inside = \"i\" } }",
        "error: `inside` is rewritten more than once",
    ),
    ("redis = { topology = \"cluster\", rewrite = { a = 1 } }", "error: `a` must be a string, not a whole number"),
    (
        "redis.refresh_interval = \"5s\"",
        "warning: `refresh_interval` is for nodes that are learned of; a standalone Redis is named whole",
    ),
    (
        "redis.networks = [\"10.0.0.0/8\"]",
        "warning: `networks` is for nodes that are learned of; a standalone Redis is named whole",
    ),
    (
        "redis.rewrite = { a = \"b\" }",
        "warning: `rewrite` is for nodes that are learned of; a standalone Redis is named whole",
    ),
    // A second deployment.
    ("regional.timeout = \"1s\"", "error: [regional] does not say where the second deployment is"),
    (
        "regional = { nodes = [\"redis://far\"], max_dedicated = 5 }",
        "error: [regional] is only read from and has no `max_dedicated`: no client has a connection of its own there",
    ),
    (
        "regional = { nodes = [\"redis://far\"], auth_failure = \"error\" }",
        "error: [regional] is only read from and has no `auth_failure`: when it refuses failsoft's credentials the next tier is asked",
    ),
    (
        "regional.nodes = [\"redis://127.0.0.1\"]",
        "error: 127.0.0.1:6379 belongs to [redis] already: [regional] is a second deployment",
    ),
    (
        "regional = { nodes = [\"redis://far\"], replicas = [\"redis://127.0.0.1\"] }",
        "error: 127.0.0.1:6379 belongs to [redis] already: [regional] is a second deployment",
    ),
    (
        "regional = { nodes = [\"redis://far\"], database = -1 }",
        "error: `database` must be at least 0; -1 is too little",
    ),
    ("regional = { topology = \"cluster\", nodes = [\"redis://far/1\"] }", "error: a cluster has only database 0"),
    (
        "regional = { nodes = [\"redis://far\"], tls.ca = \"ca.pem\" }",
        "error: [regional.tls] is written, but no node is spoken to over TLS",
    ),
    (
        "regional = { nodes = [\"redis://:pw@far\"] }",
        "warning: the password stands in the settings, where everybody who reads them sees it",
    ),
    // Local memory in front.
    (
        "redis.topology = \"cluster\"\nlocal.mode = \"front\"",
        "error: local memory cannot be asked before Redis: with topology \"cluster\" that is not available in this version",
    ),
    (
        "redis.topology = \"cluster\"\n[[routes]]\nkeys = \"a\"\nrole = \"cache\"\nmax_stale = \"1m\"\nlocal = \"front\"",
        "error: local memory cannot be asked before Redis: with topology \"cluster\" that is not available in this version",
    ),
    // Whom clients convince.
    (
        "redis.topology = \"cluster\"\nserver.auth = \"redis\"",
        "error: clients cannot be users of Redis' own with topology \"cluster\" in this version",
    ),
    // What clients are told.
    ("server.announce = \"failsoft\"", "error: clients cannot be sent to `failsoft`: it names no port"),
    ("server.announce = \"0.0.0.0:1\"", "error: clients cannot be sent to `0.0.0.0:1`: it is every address and none"),
];

#[test]
fn each_mistake_has_its_sentence_and_its_line() {
    for (text, sentence) in MISTAKES {
        let text = format!("\n{text}\n");
        let said = said(&text);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        let (line, message) = said[0].split_once(": ").unwrap();
        assert_eq!(message, *sentence, "{text}");
        assert!((2..=7).contains(&line.parse::<usize>().unwrap()), "{text}: {line}");
    }
}

/// Routes that say something about replicas they may not, with the roles that may not.
const ROUTES: &[(&str, &str, &str)] = &[
    ("lock", "read_from", "a replica may not have heard of the holder"),
    ("idempotency", "read_from", "a replica may not have heard of what has been done"),
    ("rate-limit", "read_from", "a replica has not heard of the latest attempts, and would let too many pass"),
    ("unclassified", "read_from", "nobody has said whether these keys may be a little old"),
    ("invalidation", "read_from", "it carries messages, and a message is not read twice"),
    ("lock", "max_replica_lag", "a replica may not have heard of the holder"),
    ("unclassified", "max_replica_lag", "nobody has said whether these keys may be a little old"),
];

#[test]
fn a_role_that_must_know_the_truth_is_not_read_from_replicas() {
    for (role, key, why) in ROUTES {
        let (value, wish) = match *key {
            "read_from" => ("replica", "be read from replicas"),
            _ => ("5s", "have `max_replica_lag`"),
        };
        let text = format!("[[routes]]\nkeys = \"a\"\nrole = \"{role}\"\n{key} = \"{value}\"\n");
        assert_eq!(said(&text), [format!("4: error: a route with role \"{role}\" may not {wish}: {why}")]);
    }
}

#[test]
fn a_session_is_read_from_replicas_only_by_a_route_that_bounds_their_lag() {
    let session =
        "redis.replicas = [\"redis://r\"]\n[[routes]]\nkeys = \"a\"\nrole = \"session\"\nread_from = \"replica\"\n";
    assert_eq!(
        said(session),
        ["5: error: a session is read from replicas only if the route says how far behind they may be"]
    );
    let bounded = settings(&format!("{session}max_replica_lag = \"2s\"\n"));
    let route = &bounded.routes()[0];
    assert_eq!((route.read_from(), route.max_replica_lag()), (ReadFrom::Replica, Duration::from_secs(2)));
}

#[test]
fn replicas_that_are_not_there_cannot_be_asked_first() {
    let route = |more: &str| {
        format!("[[routes]]\nkeys = \"a\"\nrole = \"cache\"\ndefault = \"\"\nread_from = \"replica\"\n{more}\n")
    };
    assert_eq!(said(&route("")), ["5: warning: there is no replica to ask first"]);
    assert_eq!(said(&format!("redis.topology = \"cluster\"\n{}", route(""))), [""; 0]);
    assert_eq!(
        said(&route("tiers = { replica = false }")),
        ["5: error: replicas cannot be asked first: `tiers` leaves them out"]
    );
}

#[test]
fn sentinels_have_credentials_of_their_own_and_their_own_port() {
    let machine =
        Machine { variables: [("NODES", "for-nodes"), ("SENTINELS", "for-sentinels")].into(), ..Machine::default() };
    let text = r#"
        [redis]
        topology = "sentinel"
        nodes = ["rediss://s1", "rediss://s2:5000"]
        master_name = "mymaster"
        username = "app"
        password_env = "NODES"
        sentinel_username = "watcher"
        sentinel_password_env = "SENTINELS"
        database = 3
    "#;
    let settings = parse_in(text, "f", &machine).unwrap_or_else(|problems| panic!("{problems}")).settings;
    let redis = settings.redis();
    let Deployment::Sentinel { sentinels, master_name, username, password } = redis.deployment() else {
        panic!("{:?}", redis.deployment())
    };
    let shown: Vec<_> = sentinels.iter().map(ToString::to_string).collect();
    assert_eq!((&*shown, &**master_name), (&["s1:26379".to_owned(), "s2:5000".to_owned()][..], "mymaster"));
    assert_eq!((username.as_deref(), password.as_ref().unwrap().expose()), (Some("watcher"), "for-sentinels"));
    assert_eq!((redis.username(), redis.password().unwrap().expose()), (Some("app"), "for-nodes"));
    assert_eq!((redis.database(), redis.deployment().security()), (3, Security::Tls));
    assert!(!format!("{settings:?}").contains("for-sentinels"));
    assert_eq!((redis.topology(), redis.primary()), (Topology::Sentinel, None));
}

#[test]
fn a_cluster_is_named_by_some_of_its_nodes_and_spoken_to_with_the_first_ones_credentials() {
    let redis = read(
        "redis = { topology = \"cluster\", nodes = [\"redis://app:pw@a:7000/0\", \"redis://app:pw@[::1]:7001\"] }",
    )
    .unwrap()
    .settings
    .redis()
    .clone();
    assert_eq!(redis.seeds(), [NodeAddress::plain("a", 7000), NodeAddress::plain("::1", 7001)]);
    assert_eq!((redis.username(), redis.password().unwrap().expose()), (Some("app"), "pw"));
    assert_eq!((redis.refresh_interval(), redis.max_connects()), (Duration::from_secs(15), 500));
}

#[test]
fn learned_nodes_may_be_on_this_machine_only_if_a_named_one_is() {
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    let permit = |nodes: &str, address| {
        let text = format!("redis = {{ topology = \"cluster\", nodes = [{nodes}] }}");
        settings(&text).redis().networks().permit(address)
    };
    for nodes in
        ["\"redis://127.0.0.1:7000\"", "\"redis://cache\", \"redis://localhost:7000\"", "\"redis://[::1]:7000\""]
    {
        assert_eq!(permit(nodes, loopback), Ok(()), "{nodes}");
    }
    assert_eq!(permit("\"redis://cache\"", loopback), Err(Forbidden::Loopback));
    let listed = settings("redis = { topology = \"cluster\", networks = [\"10.0.0.0/8\"] }");
    assert_eq!(listed.redis().networks().permit(loopback), Err(Forbidden::Unlisted));
}

#[test]
fn a_place_is_rewritten_once_and_the_narrower_entry_wins() {
    let settings = settings(
        r#"
        redis.topology = "cluster"
        [redis.rewrite]
        "10.0.0.1" = "tunnel"
        "10.0.0.1:7001" = "127.0.0.1:17001"
        "[fd00::1]:7000" = "[::1]:17000"
        "Inside.local:7000" = "outside.example"
        tunnel = "elsewhere"
        "#,
    );
    let reachable = |host, port| settings.redis().rewrite().reachable(host, port);
    assert_eq!(reachable("10.0.0.1", 7000), Some(("tunnel", 7000)));
    assert_eq!(reachable("10.0.0.1", 7001), Some(("127.0.0.1", 17001)));
    assert_eq!(reachable("fd00::1", 7000), Some(("::1", 17000)));
    assert_eq!(reachable("inside.LOCAL", 7000), Some(("outside.example", 7000)));
    assert_eq!(reachable("inside.local", 7001), None);
    assert_eq!(reachable("10.0.0.2", 7000), None);
}

#[test]
fn a_second_deployment_is_a_tier_with_settings_of_its_own() {
    let settings = settings(
        r#"
        [redis]
        nodes = ["redis://near:6379"]
        username = "near-user"
        [regional]
        topology = "sentinel"
        nodes = ["redis://far:26379"]
        master_name = "far-master"
        timeout = "800ms"
        [[routes]]
        keys = "page:*"
        role = "cache"
        default = ""
        [[routes]]
        keys = "here:*"
        role = "cache"
        default = ""
        tiers = { regional = false }
        [[routes]]
        keys = "lock:*"
        role = "lock"
        "#,
    );
    let regional = settings.regional().unwrap();
    assert_eq!((regional.topology(), regional.timeout()), (Topology::Sentinel, Duration::from_millis(800)));
    assert_eq!((regional.username(), settings.redis().username()), (None, Some("near-user")));
    let [page, here, lock] = settings.routes() else { panic!("three routes") };
    assert_eq!(page.tiers(), TierSet::of(&[Tier::Primary, Tier::Regional, Tier::Local, Tier::Default]));
    assert_eq!(here.tiers(), page.tiers().without(Tier::Regional));
    assert_eq!(lock.tiers(), TierSet::of(&[Tier::Primary]));
    assert_eq!(Settings::default().regional(), None);
}

#[test]
fn the_same_sentinels_may_watch_both_deployments_under_two_names() {
    let text = |name| {
        format!(
            "redis = {{ topology = \"sentinel\", nodes = [\"redis://s\"], master_name = \"a\" }}\nregional = {{ topology = \"sentinel\", nodes = [\"redis://s\"], master_name = \"{name}\" }}\n"
        )
    };
    assert_eq!(said(&text("b")), [""; 0]);
    assert_eq!(said(&text("a")), ["2: error: s:26379 belongs to [redis] already: [regional] is a second deployment"]);
}

#[test]
fn the_passwords_of_sentinels_and_of_the_second_deployment_are_changes_too() {
    let with = |password| {
        let machine = Machine { variables: [("PW", password)].into(), ..Machine::default() };
        let text = "redis = { topology = \"sentinel\", nodes = [\"redis://s\"], master_name = \"a\", sentinel_password_env = \"PW\" }\nregional = { nodes = [\"redis://far\"], password_env = \"PW\" }\n";
        parse_in(text, "f", &machine).unwrap().settings
    };
    let paths: Vec<_> = changes(&with("old"), &with("new")).into_iter().map(|change| change.path).collect();
    assert_eq!(paths, ["redis.sentinel_password", "regional.password"]);
}

#[test]
fn clients_may_be_told_another_address_than_the_one_they_came_to() {
    let settings = settings("server.announce = \"failsoft.internal:6380\"");
    assert_eq!(settings.server().announce().unwrap().to_string(), "failsoft.internal:6380");
    assert_eq!(Settings::default().server().announce(), None);
}
