//! What a command does to its keys, as far as that can be said without Redis.
//!
//! Strict: a command that Redis might refuse, or whose reply depends on what is there, is [`Change::Other`], and nobody
//! is told that it was done. So `SET` counts only without NX, XX, GET and KEEPTTL, and only with an expiry that is one.
//!
//! Source: `src/t_string.c` (`parseExtendedStringArgumentsOrReply`, `getExpireMillisecondsOrReply`) of Redis 7.0.

use std::time::Duration;

use failsoft_core::journal::fate::Change;
use failsoft_resp::commands::{Arguments, Spec};

use crate::clock::unix_ms;

/// Beyond this the milliseconds of so many seconds from now do not fit the clock of Redis, which refuses them.
const MOST: u64 = i64::MAX as u64 / 2_000;

/// What `command` does.
pub(super) fn of<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> Change {
    let count = command.count();
    match spec.name {
        "set" if time_to_live(command).is_some() => Change::Set,
        "setex" | "psetex" if positive(command.at(2)).is_some() => Change::Set,
        "mset" if count % 2 == 1 => Change::Set,
        "del" | "unlink" => Change::Delete,
        "expire" | "pexpire" | "expireat" | "pexpireat" if count == 3 && is_expiry(command.at(2)) => Change::Expire,
        _ => Change::Other,
    }
}

/// For how long a SET, SETEX or PSETEX gives its key the value; [`Duration::MAX`] if for ever, `None` if that cannot be
/// said or it does more than that.
pub(super) fn time_to_live<A: Arguments + ?Sized>(command: &A) -> Option<Duration> {
    let name = command.at(0)?;
    if name.eq_ignore_ascii_case(b"SETEX") {
        return positive(command.at(2)).map(Duration::from_secs);
    }
    if name.eq_ignore_ascii_case(b"PSETEX") {
        return positive(command.at(2)).map(Duration::from_millis);
    }
    match command.count() {
        3 => Some(Duration::MAX),
        5 => expiry(command.at(3)?, positive(command.at(4))?),
        _ => None,
    }
}

fn expiry(option: &[u8], amount: u64) -> Option<Duration> {
    let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
    match () {
        () if is(b"EX") => Some(Duration::from_secs(amount)),
        () if is(b"PX") => Some(Duration::from_millis(amount)),
        () if is(b"EXAT") => Some(until(Duration::from_secs(amount))),
        () if is(b"PXAT") => Some(until(Duration::from_millis(amount))),
        () => None,
    }
}

/// Time until this moment since 1970; none if it has passed.
fn until(moment: Duration) -> Duration {
    moment.saturating_sub(Duration::from_millis(unix_ms().unsigned_abs()))
}

/// An amount of time that Redis takes: neither zero nor so large that its milliseconds overflow.
fn positive(word: Option<&[u8]>) -> Option<u64> {
    let amount = u64::try_from(integer(word)?).ok()?;
    (1..=MOST).contains(&amount).then_some(amount)
}

/// A time that Redis takes, in the past too.
fn is_expiry(word: Option<&[u8]>) -> bool {
    integer(word).is_some_and(|amount| amount.unsigned_abs() <= MOST)
}

fn integer(word: Option<&[u8]>) -> Option<i64> {
    failsoft_core::pattern::canonical_int(word?)
}

#[cfg(test)]
mod tests {
    use failsoft_resp::commands;

    use super::*;

    fn change(call: &str) -> Change {
        let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        of(commands::lookup(words[0], words.get(1).copied()).unwrap(), &words[..])
    }

    #[test]
    fn only_what_redis_would_surely_do_whatever_is_there_counts() {
        for call in ["SET k v", "set k v ex 10", "SET k v PX 1", "SETEX k 5 v", "PSETEX k 5 v", "MSET a 1 b 2"] {
            assert_eq!(change(call), Change::Set, "{call}");
        }
        for call in ["DEL a", "DEL a b", "UNLINK a b"] {
            assert_eq!(change(call), Change::Delete, "{call}");
        }
        for call in ["EXPIRE k 1", "PEXPIRE k -5", "EXPIREAT k 99", "PEXPIREAT k 99"] {
            assert_eq!(change(call), Change::Expire, "{call}");
        }
        for call in [
            "SET k v NX",
            "SET k v XX",
            "SET k v GET",
            "SET k v KEEPTTL",
            "SET k v EX 0",
            "SET k v EX x",
            "SET k v EX",
            "SET k v EX 1 NX",
            "SETEX k 0 v",
            "SETEX k x v",
            "SETNX k v",
            "MSET a 1 b",
            "MSETNX a 1",
            "EXPIRE k x",
            "EXPIRE k 1 NX",
            "EXPIRE k 9223372036854775807",
            "PEXPIREAT k -9223372036854775808",
            "INCR k",
            "HSET k f v",
            "APPEND k v",
            "GETSET k v",
            "GETDEL k",
            "RENAME a b",
            "PERSIST k",
            "SET k v EX 9223372036854775807",
        ] {
            assert_eq!(change(call), Change::Other, "{call}");
        }
    }

    #[test]
    fn a_value_is_kept_for_as_long_as_it_would_live() {
        let of = |call: &str| {
            let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
            time_to_live(&words[..])
        };
        assert_eq!(of("SET k v"), Some(Duration::MAX));
        assert_eq!(of("SET k v EX 3"), Some(Duration::from_secs(3)));
        assert_eq!(of("PSETEX k 3 v"), Some(Duration::from_millis(3)));
        assert_eq!(of("SET k v EXAT 1"), Some(Duration::ZERO));
        assert!(of("SET k v EXAT 9999999999").is_some_and(|left| left > Duration::from_secs(1_000_000)));
    }
}
