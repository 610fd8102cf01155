//! What every command is: how many arguments it takes, where its keys are, how it may be treated.
//!
//! One table, [`TABLE`](all), is the only source: lookup, classes, key positions and arity checks all read it. A
//! command it does not have is for the caller to judge (a module's, or a newer server's).

mod class;
mod flags;
mod index;
mod keys;
mod spread;
mod table;

pub use class::{Class, class_of};
pub use flags::Flags;
pub use keys::{Access, Arguments, KeyPosition, KeyPositions, KeySpec, Run, keys};
pub use spread::{Merge, Spread};

/// One command or subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// In lower case; a subcommand as `container|subcommand`.
    pub name: &'static str,
    /// The number of arguments, names included; negative: at least so many.
    pub arity: i8,
    /// How to treat it, unless its arguments say more: see [`class_of`].
    pub class: Class,
    /// Where its keys are: see [`keys`].
    pub keys: KeySpec,
    /// What Redis says of it.
    pub flags: Flags,
    /// The Redis version, major and minor, that first had it; one that will not be for commands that Redis has not.
    pub since: (u8, u8),
    /// To whom it goes in a cluster.
    pub spread: Spread,
}

/// The command named by a request's first words, in any case.
///
/// `second` is the argument after the name, if there is one; it matters only for containers such as CLIENT. A container
/// with an unknown subcommand is `None`; ask again without `second` to tell that from an unknown command.
#[inline]
pub fn lookup(first: &[u8], second: Option<&[u8]>) -> Option<&'static Spec> {
    index::find(first, second)
}

/// Whether `count` arguments, names included, are enough and not too many.
#[inline]
pub fn arity_ok(spec: &Spec, count: usize) -> bool {
    let needed = usize::from(spec.arity.unsigned_abs());
    if spec.arity < 0 { count >= needed } else { count == needed }
}

/// Every command and subcommand, sorted by name.
pub fn all() -> impl ExactSizeIterator<Item = &'static Spec> {
    table::TABLE.iter()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn find(call: &str) -> Option<&'static Spec> {
        let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        lookup(words[0], words.get(1).copied())
    }

    #[test]
    fn every_row_is_found_by_its_words_in_any_case() {
        for spec in all() {
            for name in [spec.name.to_owned(), spec.name.to_uppercase()] {
                assert_eq!(find(&name.replace('|', " ")).unwrap().name, spec.name);
            }
        }
    }

    #[test]
    fn rows_are_sorted_and_follow_their_container() {
        let names: Vec<&str> = all().map(|spec| spec.name).collect();
        assert!(names.is_sorted());
        for name in names {
            if let Some((container, _)) = name.split_once('|') {
                assert!(find(container).unwrap().flags.contains(Flags::CONTAINER), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_command_is_not_found() {
        let long = "X".repeat(1000);
        for call in ["", "GETT", "GE", "GET\0", "client|kill", "CLIENT NOPE", "CLIENT ", "KILL", &long] {
            assert_eq!(find(call), None, "{call}");
        }
        assert_eq!(find("CLIENT").unwrap().name, "client");
        assert_eq!(find("GET client").unwrap().name, "get");
        assert_eq!(lookup(b"G\x05T", None), None);
    }

    #[test]
    fn arity_is_exact_or_a_minimum() {
        let get = find("GET").unwrap();
        assert_eq!([1, 2, 3].map(|count| arity_ok(get, count)), [false, true, false]);
        let del = find("DEL").unwrap();
        assert_eq!([1, 2, 300].map(|count| arity_ok(del, count)), [false, true, true]);
    }

    #[test]
    fn state_is_kept_where_redis_keeps_it() {
        let stateful = [
            "SELECT",
            "WATCH",
            "MULTI",
            "EXEC",
            "HELLO",
            "AUTH",
            "CLIENT TRACKING",
            "CLIENT REPLY",
            "CLIENT SETNAME",
            "CLIENT NO-EVICT",
            "CLIENT NO-TOUCH",
            "CLIENT SETINFO",
            "READONLY",
            "ASKING",
            "MONITOR",
            "SUBSCRIBE",
            "SSUBSCRIBE",
            "BLPOP",
            "BZMPOP",
            "WAIT",
            "WAITAOF",
            "RESET",
            "QUIT",
            "PSYNC",
            "SCRIPT DEBUG",
        ];
        for call in stateful {
            assert!(find(call).unwrap().class.keeps_state(), "{call}");
        }
        for call in ["GET", "SET", "EVAL", "INFO", "PUBLISH", "SCAN", "CLIENT KILL", "XREAD", "SORT", "SCRIPT LOAD"] {
            assert!(!find(call).unwrap().class.keeps_state(), "{call}");
        }
    }

    #[test]
    fn only_what_shares_connections_is_spread_and_only_what_has_many_keys_is_taken_apart() {
        for spec in all() {
            let taken_apart = matches!(spec.spread, Spread::Keys(_));
            let may_be = matches!(spec.keys, KeySpec::Fixed([run]) if (run.first, run.last) == (1, -1));
            assert!(may_be || !taken_apart, "{}", spec.name);
            assert!(spec.spread == Spread::Whole || !spec.class.keeps_state(), "{}", spec.name);
        }
    }

    #[test]
    fn only_block_makes_a_stream_read_block() {
        let class = |call: &str| {
            let args: Vec<&str> = call.split(' ').collect();
            class_of(find(call).unwrap(), &args[..])
        };
        assert_eq!(class("XREAD STREAMS block 0"), Class::Read);
        assert_eq!(class("XREAD COUNT 1 block 0 STREAMS a 0"), Class::Blocking);
        assert_eq!(class("XREADGROUP GROUP block c STREAMS a >"), Class::Write);
        assert_eq!(class("XREADGROUP GROUP g c BLOCK 0 STREAMS a >"), Class::Blocking);
        assert_eq!(class("GET block"), Class::Read);
    }

    #[test]
    fn classes_agree_with_the_flags_of_redis() {
        for spec in all() {
            let keyed = spec.keys != KeySpec::Fixed(&[]);
            match spec.class {
                Class::Read => assert!(keyed && !spec.flags.contains(Flags::WRITE), "{}", spec.name),
                Class::Write => assert!(keyed && spec.flags.contains(Flags::WRITE), "{}", spec.name),
                Class::Script
                | Class::Server
                | Class::Transaction
                | Class::PubSub
                | Class::Publish
                | Class::Blocking
                | Class::Monitor
                | Class::Connection
                | Class::Own => {}
            }
        }
    }
}
