//! Key positions of calls with hand-checked answers; the live server has its say in `tests/live_commands.rs`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::commands::lookup;

fn found(call: &str) -> Vec<(usize, Access)> {
    let args: Vec<&str> = call.split(' ').map(|word| word.trim_matches('"')).collect();
    let spec = lookup(args[0].as_bytes(), args.get(1).map(|word| word.as_bytes())).unwrap();
    keys(spec, &args[..]).map(|key| (key.index, key.access)).collect()
}

#[test]
fn fixed_places() {
    use Access::*;
    assert_eq!(found("GET a"), [(1, Read)]);
    assert_eq!(found("get"), []);
    assert_eq!(found("MSET a 1 b 2"), [(1, Write), (3, Write)]);
    assert_eq!(found("BLPOP a b 0"), [(1, Write), (2, Write)]);
    assert_eq!(found("BLPOP a"), []);
    assert_eq!(found("COPY a b"), [(1, Read), (2, Write)]);
    assert_eq!(found("BITOP AND d a b"), [(2, Write), (3, Read), (4, Read)]);
    assert_eq!(found("OBJECT ENCODING a"), [(2, Read)]);
    assert_eq!(found("SPUBLISH c m"), [(1, Channel)]);
    assert_eq!(found("PUBLISH c m"), []);
    assert_eq!(found("PFCOUNT a b"), [(1, Read), (2, Read)]);
    assert_eq!(found("PFMERGE d"), [(1, Write)]);
    assert_eq!(found("PFMERGE d a"), [(1, Write), (2, Read)]);
}

#[test]
fn counted_places() {
    use Access::*;
    assert_eq!(found("EVAL s 2 a b c"), [(3, Write), (4, Write)]);
    assert_eq!(found("EVAL_RO s 1 a"), [(3, Read)]);
    assert_eq!(found("FCALL f 0 a"), []);
    assert_eq!(found("ZUNIONSTORE d 2 a b"), [(3, Read), (4, Read), (1, Write)]);
    for nonsense in ["EVAL s 3 a b", "EVAL s -1 a", "EVAL s 01 a", "EVAL s x a", "EVAL s 99999999999999999999 a"] {
        assert_eq!(found(nonsense), [], "{nonsense}");
    }
}

#[test]
fn places_behind_words() {
    use Access::*;
    assert_eq!(found("XREAD BLOCK 5 STREAMS a b 0 0"), [(4, Read), (5, Read)]);
    assert_eq!(found("XREADGROUP GROUP streams c STREAMS a >"), [(5, Read)]);
    assert_eq!(found("XREAD STREAMS a b 0"), []);
    assert_eq!(found("SORT a BY store GET store STORE d"), [(1, Read), (7, Write)]);
    assert_eq!(found("SORT a STORE"), [(1, Read)]);
    assert_eq!(found("GEORADIUS a 1 1 1 km STORE d STOREDIST e"), [(1, Read), (9, Write)]);
    assert_eq!(found("GEORADIUSBYMEMBER a m 1 km STORE d"), [(1, Read), (6, Write)]);
    assert_eq!(found("MIGRATE h 1 a 0 9"), [(3, Write)]);
    assert_eq!(found("MIGRATE h 1 \"\" 0 9 AUTH keys KEYS a b"), [(9, Write), (10, Write)]);
    assert_eq!(found("MIGRATE h 1 x 0 9 KEYS a"), []);
    assert_eq!(found("DEBUG OBJECT a"), [(2, Read)]);
    assert_eq!(found("DEBUG DIGEST-VALUE a b"), [(2, Read), (3, Read)]);
    assert_eq!(found("DEBUG SLEEP 1"), []);
}
