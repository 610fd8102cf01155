//! Which route speaks for a key: the first one listed whose pattern takes it.
//!
//! A thousand patterns are not tried one by one. They are laid out as a trie of their literal beginnings, in which a
//! parameter that ends at a `:` is a step too (there is only one place where it can end). Walking the key down the
//! trie leaves the few patterns that may take it, and those are asked themselves: the trie only leaves out, it never
//! decides, so it cannot disagree with [`KeyPattern::matches`]. Every part of the trie knows its earliest route, and
//! what could only offer a later route than the one already found is not entered.
//!
//! Finding allocates nothing. The table is built once and replaced whole when settings change.

mod trie;

use crate::pattern::KeyPattern;
use trie::Trie;

/// Routes in the order in which they were listed, with the means to find one quickly.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    routes: Vec<(KeyPattern, T)>,
    trie: Trie,
}

impl<T> RouteTable<T> {
    /// A table of `routes`, first listed first.
    pub fn new(routes: Vec<(KeyPattern, T)>) -> Self {
        let trie = Trie::new(routes.iter().map(|(pattern, _)| pattern));
        Self { routes, trie }
    }

    /// The first listed route that takes `key`, with its place in the list.
    pub fn find(&self, key: &[u8]) -> Option<(usize, &T)> {
        let index = self.trie.first(key, |index| self.routes[index].0.matches(key))?;
        Some((index, &self.routes[index].1))
    }

    /// The route at `index` of the list.
    pub fn get(&self, index: usize) -> Option<(&KeyPattern, &T)> {
        self.routes.get(index).map(|(pattern, route)| (pattern, route))
    }

    /// The routes in the order in which they were listed.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyPattern, &T)> {
        self.routes.iter().map(|(pattern, route)| (pattern, route))
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::pattern::any_pattern;
    use proptest::prelude::*;

    fn table(patterns: &[&str]) -> RouteTable<()> {
        RouteTable::new(patterns.iter().map(|text| (KeyPattern::parse(text).unwrap(), ())).collect())
    }

    fn found(table: &RouteTable<()>, key: &str) -> Option<usize> {
        table.find(key.as_bytes()).map(|(index, ())| index)
    }

    #[test]
    fn the_first_listed_route_that_takes_the_key_wins() {
        let table = table(&["user:{id}", "user:*", "user:{id}:name", "{tenant}:cart:{id:int}", "lock", "*"]);
        for (key, index) in [
            ("user:42", 0),
            ("user:42:name", 1),
            ("user:", 1),
            ("acme:cart:7", 3),
            ("acme:cart:seven", 5),
            ("lock", 4),
            ("locks", 5),
            ("", 5),
        ] {
            assert_eq!(found(&table, key), Some(index), "{key}");
        }
    }

    #[test]
    fn a_key_nobody_speaks_for_is_not_found() {
        assert_eq!(found(&table(&["user:{id}"]), "order:1"), None);
        assert_eq!(found(&RouteTable::default(), "order:1"), None);
    }

    #[test]
    fn a_pattern_that_begins_alike_but_ends_otherwise_does_not_hide_another() {
        let table = table(&["{a}:x:{b:int}", "{a}:x:{b}", "acme:{c}:*"]);
        assert_eq!(found(&table, "acme:x:1"), Some(0));
        assert_eq!(found(&table, "acme:x:y"), Some(1));
        assert_eq!(found(&table, "acme:y:1"), Some(2));
        assert_eq!(found(&table, "other:y:1"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn the_table_finds_what_trying_one_by_one_finds(
            patterns in prop::collection::vec(any_pattern(), 0..12),
            keys in prop::collection::vec("[ab1:-]{0,8}", 1..8),
        ) {
            let table = RouteTable::new(patterns.iter().cloned().map(|pattern| (pattern, ())).collect());
            for key in &keys {
                let expected = patterns.iter().position(|pattern| pattern.matches(key.as_bytes()));
                prop_assert_eq!(found(&table, key), expected, "{}", key);
            }
        }
    }
}
