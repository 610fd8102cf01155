//! What may change while failsoft runs.

use super::*;

fn changed(old: &str, new: &str) -> Vec<(String, Effect)> {
    changes(&settings(old), &settings(new)).into_iter().map(|change| (change.path, change.effect)).collect()
}

#[test]
fn only_what_is_bound_at_the_start_needs_a_restart() {
    let old = "redis.timeout = \"200ms\"\n";
    let new = "redis.timeout = \"100ms\"\nserver = { threads = 2, listen = \"127.0.0.1:1\", admin = \"127.0.0.1:2\", drain = \"1s\" }\n";
    assert_eq!(
        changed(old, new),
        [
            ("redis.timeout".to_owned(), Effect::Live),
            ("server.admin".to_owned(), Effect::Restart),
            ("server.drain".to_owned(), Effect::Restart),
            ("server.listen".to_owned(), Effect::Restart),
            ("server.threads".to_owned(), Effect::Restart),
        ]
    );
}

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    assert_eq!(changed("", "redis.timeout = \"200ms\"\nbreaker.failures = 5\n"), []);
}

#[test]
fn routes_differ_one_by_one_or_as_a_list() {
    let lock = "[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n";
    let session = "[[routes]]\nkeys = \"lock:*\"\nrole = \"session\"\n";
    assert_eq!(changed(lock, session), [("routes[0].role".to_owned(), Effect::Live)]);
    assert_eq!(changed("", lock), [("routes".to_owned(), Effect::Live)]);
}

#[test]
fn a_password_that_changed_where_it_is_kept_is_a_change() {
    let with = |password| {
        let machine = Machine { variables: [("PW", password)].into(), ..Machine::default() };
        parse_in("redis.password_env = \"PW\"\n", "f", &machine).unwrap().settings
    };
    let found = changes(&with("old"), &with("new"));
    assert_eq!(found, [Change { path: "redis.password".to_owned(), effect: Effect::Live }]);
}
