//! What settings mean once they are accepted.

use super::*;
use crate::assemble::AssembleError;
use crate::engine::Engine;
use crate::origin::OriginError;
use crate::value::{Shape, Value};
use failsoft_core::role::Role;
use failsoft_core::{Tier, TierSet};
use std::time::Duration;

#[test]
fn an_empty_file_means_the_defaults() {
    let settings = Settings::default();
    assert_eq!(settings.server().listen().unwrap().to_string(), "127.0.0.1:6380");
    assert_eq!(settings.redis().primary().unwrap().to_string(), "127.0.0.1:6379");
    assert_eq!(settings.redis().timeout(), Duration::from_millis(200));
    assert_eq!((settings.breaker().failures(), settings.breaker().cooldown()), (5, Duration::from_secs(30)));
    assert_eq!((settings.local().capacity(), settings.local().ttl()), (64 << 20, Duration::from_secs(30)));
    assert_eq!((settings.request().attempts(), settings.fleet().size()), (2, None));
    assert!(settings.routes().is_empty() && settings.origins().is_empty());
}

#[test]
fn a_wider_bind_is_accepted_when_it_is_asked_for() {
    let settings = settings("[server]\nlisten = \"0.0.0.0:6380\"\nallow_non_loopback = true\n");
    assert!(settings.server().listen().unwrap().ip().is_unspecified());
}

#[test]
fn passwords_come_from_the_url_the_environment_or_a_file_beside_the_settings() {
    let machine = Machine {
        variables: [("PW", "from-env"), ("EMPTY", "")].into(),
        files: [("/etc/failsoft/pw", "from-file\n")].into(),
    };
    let password = |redis: &str| {
        let loaded = parse_in(&format!("[redis]\n{redis}"), "/etc/failsoft/failsoft.toml", &machine)?;
        let shown = format!("{:?}", loaded.settings);
        let password = loaded.settings.redis().password().unwrap().expose().to_owned();
        assert!(!shown.contains(&password), "{shown}");
        Ok::<_, Problems>((password, loaded.warnings.len()))
    };
    assert_eq!(password("password_env = \"PW\""), Ok(("from-env".into(), 0)));
    assert_eq!(password("password_file = \"pw\""), Ok(("from-file".into(), 0)));
    assert_eq!(password("nodes = [\"redis://:from-url@h\"]"), Ok(("from-url".into(), 1)));
    assert!(password("password_env = \"EMPTY\"").is_err());
}

#[test]
fn an_origin_has_its_own_breaker() {
    let settings = settings(
        "fleet.size = 4\nbreaker.failures = 7\n[origins.db]\nurl = \"postgres://app:pw@h/d\"\nmax_rate = 10\nmax_concurrency = 3\n[origins.db.breaker]\ncooldown = \"9s\"\n",
    );
    let origin = &settings.origins()[0];
    assert_eq!((origin.max_rate(), origin.max_concurrency()), (Some(10.0), 3));
    assert_eq!((origin.breaker().failures(), origin.breaker().cooldown()), (7, Duration::from_secs(9)));
    assert_eq!(origin.target(), &Target::Postgres("postgres://app@h/d".into()));
    assert_eq!(origin.password().unwrap().expose(), "pw");
    assert!(!format!("{settings:?}").contains("pw@"));
}

#[test]
fn an_http_service_may_have_a_user_in_its_url_or_a_bearer_token_beside_it() {
    let machine = Machine { variables: [("TOKEN", "bearer")].into(), ..Machine::default() };
    let origin = |keys: &str| {
        let text = format!("[origins.web]\nmax_rate = 1\nmax_concurrency = 1\n{keys}\n");
        let settings = parse_in(&text, "f", &machine).unwrap().settings;
        assert!(!format!("{settings:?}").contains("secret"));
        settings.origins()[0].clone()
    };
    let basic = origin("url = \"http://app:secret@h\"");
    assert_eq!((basic.address().expose(), basic.password()), ("http://app:secret@h", None));
    assert_eq!(basic.target().to_string(), "http://app@h");
    let bearer = origin("url = \"http://h\"\npassword_env = \"TOKEN\"");
    assert_eq!((bearer.address().expose(), bearer.password().unwrap().expose()), ("http://h", "bearer"));
}

#[test]
fn a_route_knows_its_tiers_its_source_and_its_budgets() {
    let settings = settings(
        r#"
        redis.replicas = ["redis://h"]
        redis.timeout = "50ms"
        [origins.users]
        url = "sqlite://users.db"
        [[routes]]
        keys = "user:{id}"
        role = "cache"
        origin = "users"
        query = "SELECT a FROM t WHERE id = :id"
        max_stale = "10m"
        tiers = { local = false }
        [[routes]]
        keys = "user:{id}:flags"
        role = "flag"
        shape = "hash"
        default = { beta = "off" }
        timeout = "20ms"
        [[routes]]
        keys = "lock:*"
        role = "lock"
        "#,
    );
    let [user, flags, lock] = settings.routes() else { panic!("three routes") };
    assert_eq!(user.tiers(), TierSet::of(&[Tier::Primary, Tier::Replica, Tier::Origin]));
    assert_eq!(
        (user.shape(), user.timeout(), user.deadline()),
        (Shape::Json, Duration::from_millis(50), Duration::from_secs(1))
    );
    let source = user.source().unwrap();
    assert_eq!(&**settings.origins()[source.origin()].name(), "users");
    assert_eq!(source.fetch(), &Fetch::Query("SELECT a FROM t WHERE id = :id".into()));
    assert_eq!(flags.tiers(), TierSet::of(&[Tier::Primary, Tier::Replica, Tier::Local, Tier::Default]));
    assert_eq!(flags.default_value(), Some(&Value::Hash(vec![("beta".into(), "off".into())])));
    assert_eq!(flags.timeout(), Duration::from_millis(20));
    assert_eq!((lock.role(), lock.tiers()), (Role::Lock, TierSet::of(&[Tier::Primary])));
    assert_eq!([&**user.name(), &**flags.name(), &**lock.name()], ["user", "user-flags", "lock"]);
}

#[test]
fn without_capacity_there_is_no_local_tier() {
    let settings = settings("local.capacity = \"0\"\n[[routes]]\nkeys = \"a\"\nrole = \"cache\"\ndefault = \"[]\"\n");
    assert!(!settings.local().is_used());
    assert_eq!(settings.local().max_entry(), 0);
    assert_eq!(settings.routes()[0].tiers(), TierSet::of(&[Tier::Primary, Tier::Default]));
}

#[test]
fn a_route_that_does_not_say_where_local_memory_is_takes_the_common_place() {
    let settings = settings(
        r#"
        local.mode = "front"
        [[routes]]
        keys = "page:*"
        role = "cache"
        max_stale = "1m"
        [[routes]]
        keys = "user:*"
        role = "cache"
        max_stale = "1m"
        local = "fallback"
        [[routes]]
        keys = "lock:*"
        role = "lock"
        "#,
    );
    let [page, user, lock] = settings.routes() else { panic!("three routes") };
    assert_eq!((page.local(), user.local()), (LocalMode::Front, LocalMode::Fallback));
    assert_eq!(lock.tiers(), TierSet::of(&[Tier::Primary]));
}

#[test]
fn an_origin_that_is_code_is_asked_for_the_key_and_makes_bytes() {
    let settings = settings(
        r#"
        [origins.users]
        url = "code:"
        max_rate = 100
        max_concurrency = 5
        [[routes]]
        keys = "user:{id}"
        role = "cache"
        origin = "users"
        "#,
    );
    let route = &settings.routes()[0];
    assert_eq!((route.source().unwrap().fetch(), route.shape()), (&Fetch::Code, Shape::Raw));
    assert_eq!(settings.origins()[0].kind(), crate::origin::Kind::Code);
    let Err(AssembleError::Origin { error, .. }) = Engine::new(settings, 1) else { panic!("no program, no code") };
    assert_eq!(error, OriginError::NoProgram);
}
