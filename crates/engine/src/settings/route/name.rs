//! Names of routes, for metric labels and logs: the operator's own, else made from the pattern.

use super::written::WrittenRoute;
use crate::settings::judge::Judge;
use failsoft_core::pattern::KeyPattern;
use std::collections::HashSet;
use std::sync::Arc;

const LONGEST: usize = 48;

/// One name a route, all different.
pub(super) fn names(routes: &[WrittenRoute], patterns: &[Option<KeyPattern>], judge: &mut Judge<'_>) -> Vec<Arc<str>> {
    let mut taken = written_names(routes, judge);
    let made = |(route, pattern): (&WrittenRoute, &Option<KeyPattern>)| match (&route.name, pattern) {
        (Some(name), _) => Arc::from(name.as_str()),
        (None, Some(pattern)) => free_name(&from_pattern(pattern), &mut taken),
        (None, None) => Arc::from(""),
    };
    routes.iter().zip(patterns).map(made).collect()
}

fn written_names(routes: &[WrittenRoute], judge: &mut Judge<'_>) -> HashSet<String> {
    let mut taken = HashSet::new();
    for (index, name) in routes.iter().enumerate().filter_map(|(index, route)| Some((index, route.name.as_ref()?))) {
        let path = format!("routes[{index}].name");
        if !name.bytes().all(is_allowed) {
            judge.error(&path, format!("`{name}` is not a name for a route: letters, digits, `-`, `_` or `.`"));
        }
        if !taken.insert(name.clone()) {
            judge.error(&path, format!("two routes are called `{name}`"));
        }
    }
    taken
}

/// The literal text of a pattern, `user:{id}:posts` as `user-posts`; `all` for a pattern without any.
fn from_pattern(pattern: &KeyPattern) -> String {
    let mut text = pattern.text().to_owned();
    for parameter in pattern.parameters() {
        if let Some(start) = text.find(&format!("{{{}", parameter.name()))
            && let Some(len) = text[start..].find('}')
        {
            text.replace_range(start..=start + len, ":");
        }
    }
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii() || !is_allowed(c as u8)).collect();
    let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    match name.get(..LONGEST).unwrap_or(&name) {
        "" => "all".to_owned(),
        short => short.to_owned(),
    }
}

fn free_name(wanted: &str, taken: &mut HashSet<String>) -> Arc<str> {
    let mut name = wanted.to_owned();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{wanted}-{count}");
    }
    name.into()
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_is_the_literal_text_of_the_pattern() {
        for (pattern, name) in [
            ("user:{id}", "user"),
            ("user:{id}:posts:{post:int}", "user-posts"),
            ("session:*", "session"),
            ("u:{{{id}}}:n", "u-n"),
            ("*", "all"),
            ("{a}:{b...}", "all"),
        ] {
            assert_eq!(from_pattern(&KeyPattern::parse(pattern).unwrap()), name, "{pattern}");
        }
    }

    #[test]
    fn a_name_that_is_taken_is_counted_on() {
        let mut taken = HashSet::from(["user".to_owned()]);
        assert_eq!(&*free_name("user", &mut taken), "user-2");
        assert_eq!(&*free_name("user", &mut taken), "user-3");
    }
}
