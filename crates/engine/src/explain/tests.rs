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
lease = "0s"
[[routes]]
keys = "made:*"
role = "cache"
max_stale = "10m"
max_misses = 10
[[routes]]
keys = "lock:*"
role = "lock"
[[routes]]
keys = "limit:*"
role = "rate-limit"
on_outage = "local"
"#;

const NODE: [&str; 13] =
    ["up", "miss", "down", "silent", "open", "loading", "busy", "readonly", "oom", "noauth", "error", "moved", "ask"];

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
        | Told::Own
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
            assert!(walk.at_most <= walk.plan().deadline, "{command} {conditions:?}");
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
fn where_callers_make_the_values_one_of_them_is_told_to_and_the_others_wait() {
    let (world, _) = engine().world();
    let walk = |command: &str, when: &[&str]| walked(explain(&world, &words(command), &conditions(when)).told);
    let away = ["primary=down", "replica=down"];
    let of_callers = |walk: &Walk<'_>| walk.stages.iter().find(|stage| stage.tier == Tier::Origin).cloned();
    let told = walk("GET made:1", &["primary=miss"]);
    assert_eq!((told.ending, told.reply.as_deref()), (Ending::Absent(Tier::Primary), Some(&b"$-1\r\n"[..])));
    assert_eq!(of_callers(&told).and_then(|stage| stage.whom).as_deref(), Some("the application"));
    assert_eq!(walk("GET made:1", &[&away[..], &["local=stale"]].concat()).ending, Ending::Absent(Tier::Origin));
    for origin in ["origin=timeout", "origin=shed"] {
        assert_eq!(
            walk("GET made:1", &[&away[..], &["local=stale", origin]].concat()).ending,
            Ending::Value(Tier::Local)
        );
    }
    let shed = walk("GET made:1", &[&away[..], &["origin=shed"]].concat()).ending;
    assert!(matches!(shed, Ending::Overloaded(_)), "{shed:?}");
    assert_eq!(walk("EXISTS made:1", &["primary=miss"]).reply.as_deref(), Some(&b":0\r\n"[..]));
    let unknown = walk("EXISTS made:1", &away).ending;
    assert!(matches!(unknown, Ending::Unavailable(_)), "nobody has said that it is not there: {unknown:?}");
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
fn a_replica_may_be_older_than_the_route_allows_and_a_primary_may_not() {
    let (world, _) = engine().world();
    let lagging = conditions(&["primary=down", "replica=lagging", "local=fresh"]);
    let walk = walked(explain(&world, &words("GET user:1"), &lagging).told);
    assert_eq!(walk.ending, Ending::Value(Tier::Local));
    assert_eq!(walk.stages[1].whom.as_deref(), Some("127.0.0.1:2 or 127.0.0.1:3"));
    assert!(Conditions::default().set("primary=lagging").is_err());
}

#[test]
fn a_slip_in_a_condition_is_named() {
    let error = |written: &str| Conditions::default().set(written).unwrap_err();
    assert_eq!(error("primary=dwn").to_string(), "`dwn` is no condition of tier primary; did you mean `down`?");
    assert_eq!(error("orign=up").to_string(), "there is no tier `orign`; did you mean `origin`?");
    assert_eq!(error("primary").to_string(), "`primary` is not TIER=CONDITION");
    assert!(error("local=down").hint().contains("fresh"));
}

const CLUSTER: &str = r#"
[redis]
topology = "cluster"
nodes = ["redis://127.0.0.1:1"]
[[routes]]
keys = "user:{id:int}"
role = "cache"
max_stale = "10m"
"#;

fn of_cluster(command: &str, when: &[&str]) -> Vec<Event> {
    let engine = Engine::new(settings::parse(CLUSTER, "").unwrap().settings, 1).unwrap();
    let (world, _) = engine.world();
    let walk = walked(explain(&world, &words(command), &conditions(when)).told);
    walk.stages.into_iter().map(|stage| stage.event).collect()
}

fn how_asked(events: &[Event]) -> Vec<(Sent, Outcome)> {
    let asked = |event: &Event| match event {
        Event::Asked { outcome, sent, .. } => Some((*sent, *outcome)),
        Event::Learned { .. } | Event::Looked { .. } | Event::Paused(_) | Event::PassedOver(_) | Event::Served => None,
    };
    events.iter().filter_map(asked).collect()
}

#[test]
fn who_is_sent_elsewhere_goes_there_at_once_and_is_answered() {
    use failsoft_core::refusal::Refusal;
    for command in ["GET user:1", "SET user:1 x", "GET unrouted"] {
        for (when, refusal, sent) in
            [("primary=moved", Refusal::Moved, Sent::ByMoved), ("primary=ask", Refusal::Ask, Sent::ByAsk)]
        {
            let expected = [(Sent::Directly, Outcome::Refused(refusal)), (sent, Outcome::Hit)];
            assert_eq!(how_asked(&of_cluster(command, &[when])), expected, "{command} {when}");
        }
    }
}

#[test]
fn who_has_been_demoted_does_not_say_who_is_primary_and_the_map_is_learned() {
    let events = of_cluster("SET user:1 x", &["primary=readonly"]);
    assert!(matches!(events[1], Event::Learned { .. }), "{events:?}");
}

#[test]
fn where_there_is_one_primary_nobody_is_sent_elsewhere() {
    let engine = engine();
    let (world, _) = engine.world();
    let walk = walked(explain(&world, &words("SET user:1 x"), &conditions(&["primary=moved"])).told);
    assert_eq!(walk.stages.len(), 1);
    assert!(matches!(walk.ending, Ending::PassOn(Tier::Primary)), "{:?}", walk.ending);
}

#[test]
fn a_key_has_a_slot_before_anybody_has_been_asked() {
    let engine = Engine::new(settings::parse(CLUSTER, "").unwrap().settings, 1).unwrap();
    let (world, _) = engine.world();
    let located = |command: &str| explain(&world, &words(command), &Conditions::default()).located;
    let at = |key: &[u8], tag: Option<&str>| {
        Some(Located { slot: Slot::of(key), tag: tag.map(|tag| tag.as_bytes().to_vec()) })
    };
    assert_eq!(located("GET user:1"), at(b"user:1", None));
    assert_eq!(located("SET {user}:1 x"), at(b"user", Some("user")));
    assert_eq!(located("MGET {u}:1 {u}:2"), at(b"u", Some("u")));
    assert_eq!(located("BLPOP list 0"), at(b"list", None));
    assert_eq!((located("DBSIZE"), located("MGET a b")), (None, None));
    let told = explain(&world, &words("MGET foo bar {foo}x"), &Conditions::default()).told;
    let Told::Scattered { parts } = told else { panic!("it is taken apart") };
    let parts: Vec<_> = parts.into_iter().map(|part| (part.located.slot.number(), part.keys)).collect();
    assert_eq!(parts, [(5_061, vec![b"bar".to_vec()]), (12_182, vec![b"foo".to_vec(), b"{foo}x".to_vec()])]);
}

#[test]
fn a_limit_is_counted_here_when_redis_is_away_and_only_then() {
    let (world, _) = engine().world();
    let ending = |command: &str, primary: &str| {
        walked(explain(&world, &words(command), &conditions(&[&format!("primary={primary}")])).told).ending
    };
    for primary in ["down", "silent", "open", "loading", "busy", "readonly", "oom"] {
        assert_eq!(ending("INCR limit:a", primary), Ending::Value(Tier::Local), "{primary}");
        assert_ne!(ending("ZADD limit:a 1 b", primary), Ending::Value(Tier::Local), "{primary}");
        assert_ne!(ending("INCR lock:a", primary), Ending::Value(Tier::Local), "{primary}");
    }
    for primary in ["up", "noauth", "error"] {
        assert_ne!(ending("INCR limit:a", primary), Ending::Value(Tier::Local), "{primary}");
    }
}
