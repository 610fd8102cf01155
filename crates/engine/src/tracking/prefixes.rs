//! Of which keys Redis is asked to tell: the literal beginnings of the patterns that are answered in front of it.
//!
//! Redis refuses prefixes of which one begins with another, so the longer is left out: its keys are told of anyway. A
//! pattern that begins with a parameter has the empty prefix, which means every key there is.

use failsoft_resp::encode;

/// The prefixes, none of which begins with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefixes(Vec<Box<[u8]>>);

impl Prefixes {
    /// The fewest prefixes that cover these.
    pub(super) fn covering<'p>(prefixes: impl Iterator<Item = &'p [u8]>) -> Self {
        let mut sorted: Vec<&[u8]> = prefixes.collect();
        sorted.sort_unstable();
        let mut fewest: Vec<Box<[u8]>> = Vec::new();
        for prefix in sorted {
            // What begins with one of them stands right behind it.
            if !fewest.last().is_some_and(|shorter| prefix.starts_with(shorter)) {
                fewest.push(prefix.into());
            }
        }
        Self(fewest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the command that asks to be told of every change to a key that begins so.
    pub(super) fn ask(&self, out: &mut Vec<u8>) {
        let mut words: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", b"ON", b"BCAST"];
        for prefix in self.0.iter().filter(|prefix| !prefix.is_empty()) {
            words.extend([&b"PREFIX"[..], prefix]);
        }
        encode::command(out, words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(prefixes: &[&str]) -> String {
        let mut out = Vec::new();
        Prefixes::covering(prefixes.iter().map(|prefix| prefix.as_bytes())).ask(&mut out);
        let words: Vec<_> = String::from_utf8(out).unwrap().lines().skip(2).step_by(2).map(str::to_owned).collect();
        words[4..].join(" ")
    }

    #[test]
    fn of_prefixes_that_overlap_the_shortest_is_left() {
        assert_eq!(
            asked(&["user:", "page:home:", "page:", "page:", "pages"]),
            "PREFIX page: PREFIX pages PREFIX user:"
        );
    }

    #[test]
    fn the_empty_prefix_is_all_keys_and_is_said_by_saying_none() {
        assert_eq!(asked(&["user:", "", "page:"]), "");
    }

    #[test]
    fn nothing_in_front_is_nothing_to_ask_for() {
        assert!(Prefixes::covering(std::iter::empty()).is_empty());
    }
}
