//! Which keys a pattern takes and what it binds in them: by example, and by property against plainer rules.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn pattern(text: &str) -> KeyPattern {
    KeyPattern::parse(text).unwrap()
}

fn bound(text: &str, key: &str) -> Option<Vec<(String, String)>> {
    let pattern = pattern(text);
    let params = pattern.bind(key.as_bytes())?;
    let pairs = params.iter().map(|(parameter, value)| {
        assert_eq!(params.get(parameter.name()), Some(value));
        (parameter.name().to_owned(), String::from_utf8(value.to_vec()).unwrap())
    });
    Some(pairs.collect())
}

#[test]
fn a_pattern_takes_its_keys_and_no_others() {
    let cases: [(&str, &[&str], &[&str]); 12] = [
        ("user:{id}", &["user:42", "user:a b", "user:-"], &["user:", "user:4:2", "user", "xuser:4", "user:42:"]),
        ("user:{id}:name", &["user:4:name"], &["user::name", "user:4:names", "user:4:5:name"]),
        ("{a}-{b}", &["x-y", "x-y-z"], &["-y", "x-", "xy"]),
        (
            "n:{n:int}",
            &["n:0", "n:-7", "n:9223372036854775807"],
            &["n:", "n:007", "n:+7", "n:-0", "n:9223372036854775808"],
        ),
        ("f:{path...}", &["f:a", "f:a:b:c", "f::"], &["f:", "g:a"]),
        ("f:{path...}:end", &["f:a:b:end"], &["f::end", "f:a:end:end", "f:a"]),
        ("session:*", &["session:", "session:a:b"], &["session", "sessions:a"]),
        ("*", &["", "anything"], &[]),
        ("exact", &["exact"], &["exac", "exactly", ""]),
        ("u:{{{id}}}:n", &["u:{42}:n"], &["u:42:n", "u:{}:n"]),
        ("a:{x}::b", &["a:1::b"], &["a:1:b", "a:::b"]),
        ("t:{x}:*", &["t:1:", "t:1:2:3"], &["t:1", "t::1"]),
    ];
    for (text, taken, refused) in cases {
        for key in taken {
            assert!(pattern(text).matches(key.as_bytes()), "{text} takes {key}");
        }
        for key in refused {
            assert!(!pattern(text).matches(key.as_bytes()), "{text} refuses {key}");
        }
    }
}

#[test]
fn a_parameter_holds_the_bytes_up_to_the_first_occurrence_of_the_literal_after_it() {
    let pairs = |list: &[(&str, &str)]| Some(list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
    assert_eq!(bound("{a}-{b}", "x-y-z"), pairs(&[("a", "x"), ("b", "y-z")]));
    assert_eq!(bound("o:{org}:u:{id:int}", "o:acme:u:-3"), pairs(&[("org", "acme"), ("id", "-3")]));
    assert_eq!(bound("f:{dir...}/x", "f:a:b/x"), pairs(&[("dir", "a:b")]));
    assert_eq!(bound("session:*", "session:1"), pairs(&[]));
    assert_eq!(bound("user:{id}", "user:"), None);
}

#[test]
fn a_parameter_may_hold_bytes_that_are_not_text() {
    let pattern = pattern("b:{x}");
    assert_eq!(pattern.bind(b"b:\xff\x00").unwrap().get("x"), Some(b"\xff\x00".as_slice()));
    assert_eq!(pattern.bind(b"b:1").unwrap().get("y"), None);
}

#[test]
fn what_is_not_a_pattern_is_refused_with_its_reason() {
    use PatternError::*;
    let nine: String = (0..9).map(|n| format!("{{p{n}}}:")).collect();
    let cases = [
        ("", Empty),
        ("a:{id", Unclosed),
        ("a}b", StrayBrace),
        ("{}", BadName(String::new())),
        ("{1a}", BadName("1a".into())),
        ("{a b}", BadName("a b".into())),
        ("{a:uuid}", UnknownKind("uuid".into())),
        ("{a}:{a}", Repeated("a".into())),
        ("{a}{b}", Adjacent),
        ("{a}*", Adjacent),
        ("a*b", StarInside),
        ("a**", StarInside),
        (&nine, TooManyParameters),
    ];
    for (text, error) in cases {
        assert_eq!(KeyPattern::parse(text), Err(error), "{text}");
    }
    assert!(KeyPattern::parse(&"x".repeat(MAX_PATTERN_LEN)).is_ok());
    assert_eq!(KeyPattern::parse(&"x".repeat(MAX_PATTERN_LEN + 1)), Err(TooLong));
}

#[test]
fn eight_parameters_bind() {
    let text: String = (0..8).map(|n| format!("{{p{n}}}:")).collect();
    assert_eq!(pattern(&text).bind(b"a:b:c:d:e:f:g:h:").unwrap().get("p7"), Some(b"h".as_slice()));
}

#[test]
fn covering_is_seen_where_it_matters() {
    let yes = [
        ("*", "user:{id}"),
        ("user:*", "user:{id}"),
        ("user:*", "user:*"),
        ("user:{id}", "user:{key}"),
        ("user:{id}", "user:{id:int}"),
        ("user:{id}", "user:42"),
        ("user:{n:int}", "user:42"),
        ("user:{id}:*", "user:{id}:posts:{post}"),
        ("{kind}:{id}", "user:{id}"),
        ("{kind}:{id}", "u{a}-{b}:{id}"),
        ("f:{path...}", "f:{a}:{b}"),
        ("f:{path...}", "f:a*"),
        ("a-{x}-b", "a-{y}-b"),
    ];
    for (earlier, later) in yes {
        assert!(pattern(earlier).covers(&pattern(later)), "{earlier} covers {later}");
    }
    let no = [
        ("user:{id}", "user:*"),
        ("user:{id}", "user:{id...}"),
        ("user:{id:int}", "user:{id}"),
        ("user:{id}", "user:{id}:posts"),
        ("f:{path...}", "f:*"),
        ("user:42", "user:{id}"),
        ("user:a{id}", "user:{id}"),
        ("user:{id}:x", "user:{id}:y"),
    ];
    for (earlier, later) in no {
        assert!(!pattern(earlier).covers(&pattern(later)), "{earlier} does not cover {later}");
    }
}

/// Patterns over an alphabet so small that they often agree.
pub(crate) fn any_pattern() -> impl Strategy<Value = KeyPattern> {
    let piece = prop::sample::select(vec!["a", "b", ":", "-", "a:", "{}", "{:int}", "{...}", "1"]);
    (prop::collection::vec(piece, 1..6), prop::bool::ANY)
        .prop_map(|(pieces, star)| {
            let mut text: String =
                pieces.iter().enumerate().map(|(n, piece)| piece.replace('{', &format!("{{p{n}"))).collect();
            text.push_str(if star { "*" } else { "" });
            KeyPattern::parse(&text)
        })
        .prop_filter_map("not a pattern", Result::ok)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_covering_pattern_takes_every_key_of_the_covered(
        (earlier, later) in (any_pattern(), any_pattern()),
        keys in prop::collection::vec("[ab1:-]{0,7}", 1..8),
    ) {
        for key in keys.iter().map(String::as_bytes) {
            prop_assert!(!(earlier.covers(&later) && later.matches(key) && !earlier.matches(key)),
                "{} covers {} but refuses {:?}", earlier, later, key);
        }
    }

    #[test]
    fn parsing_and_binding_never_panic(text in "[a-c{}:*.int ]{0,20}", key in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok(pattern) = KeyPattern::parse(&text) {
            prop_assert_eq!(pattern.matches(&key), pattern.bind(&key).is_some());
        }
    }
}
