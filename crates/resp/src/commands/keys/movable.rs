//! Keys that only the arguments can tell: each function is the counterpart of one `*GetKeys` in Redis' `db.c`.
//!
//! Counts are read strictly (Redis' helpers use `atoi`, and the command then refuses what `atoi` let pass), and words are
//! matched without regard to case.

use super::{Access, Arguments, KeyPositions, Walk};
use crate::line;

/// `... count key [key ...]` (`genericGetKeys`).
pub(super) fn counted<A>(args: &A, count_at: u8, access: Access) -> Option<Walk>
where
    A: Arguments + ?Sized,
{
    let count_at = usize::from(count_at);
    let keys = usize::try_from(line::canonical(args.at(count_at)?)?).ok()?;
    let room = args.count() - count_at - 1;
    (1..=room).contains(&keys).then(|| Walk::some(count_at + 1, keys, access))
}

/// `destination count key [key ...]`
pub(super) fn counted_into<A: Arguments + ?Sized>(args: &A) -> KeyPositions {
    match counted(args, 2, Access::Read) {
        Some(near) => KeyPositions { near, far: Walk::one(1, Access::Write) },
        None => KeyPositions::default(),
    }
}

/// The options of XREAD and XREADGROUP.
pub(in crate::commands) struct StreamsOptions {
    /// BLOCK was given.
    pub(in crate::commands) blocks: bool,
    /// Where the word STREAMS is.
    streams_at: Option<usize>,
}

/// Reads options up to STREAMS; a group or a stream may itself be named like an option.
pub(in crate::commands) fn streams_options<A>(args: &A) -> StreamsOptions
where
    A: Arguments + ?Sized,
{
    let mut options = StreamsOptions { blocks: false, streams_at: None };
    let mut index = 1;
    while let Some(word) = args.at(index) {
        if is(word, "streams") {
            options.streams_at = Some(index);
            break;
        }
        options.blocks |= is(word, "block");
        index += match word {
            word if is(word, "block") || is(word, "count") => 2,
            word if is(word, "group") => 3,
            word if is(word, "noack") => 1,
            _ => break,
        };
    }
    options
}

/// `... STREAMS key [key ...] id [id ...]` (`xreadGetKeys`).
pub(super) fn streams<A: Arguments + ?Sized>(args: &A) -> Option<Walk> {
    let first = streams_options(args).streams_at? + 1;
    let both = args.count() - first;
    (both > 0 && both.is_multiple_of(2)).then(|| Walk::some(first, both / 2, Access::Read))
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [STORE destination]` (`sortGetKeys`).
pub(super) fn sort<A: Arguments + ?Sized>(args: &A) -> KeyPositions {
    let mut store = None;
    let mut index = 2;
    while let Some(word) = args.at(index) {
        if is(word, "store") && index + 1 < args.count() {
            store = Some(index + 1);
        }
        index += match word {
            word if is(word, "limit") => 3,
            word if is(word, "get") || is(word, "by") => 2,
            _ => 1,
        };
    }
    key_and_store(args, store)
}

/// `GEORADIUS key ... [STORE key] [STOREDIST key]` and its sibling; the last one counts (`georadiusGetKeys`).
pub(super) fn geo_store<A: Arguments + ?Sized>(args: &A) -> KeyPositions {
    let mut store = None;
    let mut index = 5;
    while let Some(word) = args.at(index) {
        index += 1;
        if (is(word, "store") || is(word, "storedist")) && index < args.count() {
            store = Some(index);
            index += 1;
        }
    }
    key_and_store(args, store)
}

fn key_and_store<A: Arguments + ?Sized>(args: &A, store: Option<usize>) -> KeyPositions {
    if args.count() < 2 {
        return KeyPositions::default();
    }
    KeyPositions {
        near: Walk::one(1, Access::Read),
        far: store.map(|index| Walk::one(index, Access::Write)).unwrap_or_default(),
    }
}

/// `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH p | AUTH2 u p] [KEYS key ...]` (`migrateGetKeys`).
pub(super) fn migrate<A: Arguments + ?Sized>(args: &A) -> Option<Walk> {
    let single = args.at(3)?;
    let mut index = 6;
    while let Some(word) = args.at(index) {
        index += match word {
            word if is(word, "keys") => {
                let keys = args.count() - index - 1;
                let sensible = single.is_empty() && keys > 0;
                return sensible.then(|| Walk::some(index + 1, keys, Access::Write));
            }
            word if is(word, "auth") => 2,
            word if is(word, "auth2") => 3,
            _ => 1,
        };
    }
    Some(Walk::one(3, Access::Write))
}

/// `DEBUG OBJECT key` and the like. Redis declares no keys for DEBUG; a proxy still has to find the node that holds one.
pub(super) fn debug<A: Arguments + ?Sized>(args: &A) -> Option<Walk> {
    const OF_ONE_KEY: [&str; 6] = ["object", "listpack", "ziplist", "quicklist", "htstats-key", "sdslen"];
    let (subcommand, keys) = (args.at(1)?, args.count().checked_sub(2)?);
    let keys = match subcommand {
        word if is(word, "digest-value") => keys,
        word if OF_ONE_KEY.iter().any(|name| is(word, name)) => keys.min(1),
        _ => 0,
    };
    (keys > 0).then(|| Walk::some(2, keys, Access::Read))
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}
