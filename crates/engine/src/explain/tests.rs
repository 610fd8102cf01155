//! Explanations against what settings promise: roles that fail closed never get a value from elsewhere, whatever is
//! the matter, and every walk ends within its deadline.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::Engine;
use crate::settings;

const SETTINGS: &str = r#"
[redis]
nodes = ["redis://127.0.0.1:1"]
replicas = ["redis://127.0.0.1:2", "redis://127.0.0.1:3"]
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
keys = "page:*"
role = "cache"
max_stale = "10m"
local = "front"
[[routes]]
keys = "lock:*"
role = "lock"
"#;

const NODE: [&str; 11] =
    ["up", "miss", "down", "silent", "open", "loading", "busy", "readonly", "oom", "noauth", "error"];

fn engine() -> Engine {
    Engine::new(settings::parse(SETTINGS, "").unwrap().settings, 1).unwrap()
}

fn conditions(when: &[&str]) -> Conditions {
    let mut conditions = Conditions::default();
    when.iter().for_each(|written| conditions.set(written).unwrap());
    conditions
}

fn words(command: &str) -> Vec<&[u8]> {
    command.split(' ').map(str::as_bytes).collect()
}

/// Every combination of conditions that can be written without a synonym.
fn all_conditions() -> Vec<Conditions> {
    let mut all = Vec::new();
    for primary in NODE {
        for replica in NODE {
            for local in ["fresh", "unverified", "stale", "absent"] {
                for origin in ["up", "miss", "down", "timeout", "open", "shed"] {
                    all.push(conditions(&[
                        &format!("primary={primary}"),
                        &format!("replica={replica}"),
                        &format!("local={local}"),
                        &format!("origin={origin}"),
                    ]));
                }
            }
        }
    }
    all
}

fn walked(told: Told<'_>) -> Walk<'_> {
    match told {
        Told::Walked(walk) => walk,
        Told::Here
        | Told::AboutCluster
        | Told::Dedicated
        | Told::WrongArity
        | Told::CrossSlot
        | Told::Unknown { .. }
        | Told::Scattered { .. }
        | Told::Everywhere(_)
        | Told::TakenApart { .. } => panic!("one walk is expected"),
    }
}

#[test]
fn every_walk_ends_within_its_deadline_and_a_lock_is_never_made_up() {
    let (world, _) = engine().world();
    for conditions in all_conditions() {
        for command in ["GET user:1", "HGETALL user:1", "TTL user:1", "SET user:1 x", "GET lock:1"] {
            let walk = walked(explain(&world, &words(command), &conditions).told);
            assert!(walk.at_most <= walk.route.plan(walk.way).deadline, "{command} {conditions:?}");
            let answered_elsewhere = matches!(walk.ending, Ending::Value(tier) if tier != Tier::Primary);
            assert!(!answered_elsewhere || command.ends_with("user:1"), "{command} {conditions:?}");
            assert!(!answered_elsewhere || !command.starts_with("SET"), "{command} {conditions:?}");
        }
    }
}

#[test]
fn with_a_default_a_read_is_always_answered_unless_redis_says_that_the_command_is_wrong() {
    let (world, _) = engine().world();
    for conditions in all_conditions() {
        let walk = walked(explain(&world, &words("GET user:1"), &conditions).told);
        let wrong = |condition| matches!(condition, NodeCondition::Error | NodeCondition::NoAuth);
        match walk.ending {
            Ending::Value(_) | Ending::Absent(_) => {}
            Ending::PassOn(_) | Ending::Unavailable(_) => {
                assert!(wrong(conditions.primary) || wrong(conditions.replica), "{conditions:?}");
            }
            Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => panic!("{conditions:?}"),
        }
    }
}

#[test]
fn a_stale_copy_answers_only_when_the_origin_cannot() {
    let (world, _) = engine().world();
    let ending = |when: &[&str]| walked(explain(&world, &words("GET user:1"), &conditions(when)).told).ending;
    let away = ["primary=down", "replica=down"];
    assert_eq!(ending(&[&away[..], &["local=fresh"]].concat()), Ending::Value(Tier::Local));
    assert_eq!(ending(&[&away[..], &["local=stale"]].concat()), Ending::Value(Tier::Origin));
    assert_eq!(ending(&[&away[..], &["local=stale", "origin=shed"]].concat()), Ending::Value(Tier::Local));
    assert_eq!(ending(&[&away[..], &["origin=open"]].concat()), Ending::Value(Tier::Default));
}

#[test]
fn in_front_only_a_copy_that_is_vouched_for_answers_and_any_may_be_the_fallback() {
    let (world, _) = engine().world();
    let walk = |when: &[&str]| walked(explain(&world, &words("GET page:1"), &conditions(when)).told);
    let tiers = |walk: &Walk<'_>| walk.stages.iter().map(|stage| stage.tier).collect::<Vec<_>>();
    let hit = walk(&["local=fresh", "primary=down"]);
    assert_eq!((tiers(&hit), hit.ending), (vec![Tier::Local], Ending::Value(Tier::Local)));
    for not_coherent in ["local=unverified", "local=stale", "local=absent"] {
        let miss = walk(&[not_coherent]);
        assert_eq!((tiers(&miss), miss.ending), (vec![Tier::Local, Tier::Primary], Ending::Value(Tier::Primary)));
    }
    for fallback in ["local=unverified", "local=stale"] {
        assert_eq!(walk(&[fallback, "primary=down", "replica=down"]).ending, Ending::Value(Tier::Local));
    }
    let write = walked(explain(&world, &words("SET page:1 x"), &conditions(&["local=fresh"])).told);
    assert_eq!(tiers(&write), [Tier::Primary]);
}

#[test]
fn keys_that_the_primary_has_not_answered_go_ways_of_their_own() {
    let (world, _) = engine().world();
    let told = |when: &[&str]| explain(&world, &words("MGET user:1 other user:2"), &conditions(when)).told;
    assert!(matches!(told(&[]), Told::TakenApart { keys, .. } if keys.is_empty()));
    let Told::TakenApart { keys, .. } = told(&["primary=miss"]) else { panic!("MGET is taken apart") };
    let endings: Vec<_> = keys.iter().map(|walk| walk.ending).collect();
    assert_eq!(
        endings,
        [Tier::Origin, Tier::Primary, Tier::Origin].map(|tier| match tier {
            Tier::Primary => Ending::Absent(tier),
            _ => Ending::Value(tier),
        })
    );
}

#[test]
fn a_slip_in_a_condition_is_named() {
    let error = |written: &str| Conditions::default().set(written).unwrap_err();
    assert_eq!(error("primary=dwn").to_string(), "`dwn` is no condition of tier primary; did you mean `down`?");
    assert_eq!(error("orign=up").to_string(), "there is no tier `orign`; did you mean `origin`?");
    assert_eq!(error("primary").to_string(), "`primary` is not TIER=CONDITION");
    assert!(error("local=down").hint().contains("fresh"));
}
