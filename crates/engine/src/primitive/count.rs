//! Plain commands on a counter that limits something, as they are answered while Redis is away.
//!
//! Applications that count by themselves send a handful of commands; those that can be answered from a
//! [counter](failsoft_core::counter) are read here, one key each. What is not understood (another type, a script, an
//! option that needs to know what Redis holds) is left to fail closed: a wrong count is worse than none.

use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::counter::{Condition, Counter, Expiry};
use failsoft_resp::encode::{self, Protocol};

/// One command on one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// `INCR`, `INCRBY`, `DECR`, `DECRBY`
    Add(i64),
    /// `GET`
    Get,
    /// `SET`, `SETEX`, `PSETEX`
    Set(i64, Expiry, Condition),
    /// `SETNX`, which says so in another way.
    SetAbsent(i64),
    /// `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT`
    Expire(Expiry),
    /// `PERSIST`
    Persist,
    /// `TTL`, and `PTTL`: how many milliseconds its unit has.
    Ttl(u64),
    /// `DEL`, `UNLINK`
    Delete,
}

/// The present moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Time,
    /// Milliseconds since 1970.
    pub(crate) unix_ms: i64,
}

impl Count {
    /// What `words` want of a counter, if this is one of those commands on one key.
    pub(crate) fn read(words: &[&[u8]], at: Moment) -> Option<Self> {
        let name = words.first()?.to_ascii_uppercase();
        Some(match (name.as_slice(), words.get(2..)?) {
            (b"INCR", []) => Self::Add(1),
            (b"DECR", []) => Self::Add(-1),
            (b"INCRBY", [by]) => Self::Add(integer(by)?),
            (b"DECRBY", [by]) => Self::Add(integer(by)?.checked_neg()?),
            (b"GET", []) => Self::Get,
            (b"DEL" | b"UNLINK", []) => Self::Delete,
            (b"PERSIST", []) => Self::Persist,
            (b"TTL", []) => Self::Ttl(1_000),
            (b"PTTL", []) => Self::Ttl(1),
            (b"EXPIRE", [span]) => Self::Expire(at.after(span, 1_000)?),
            (b"PEXPIRE", [span]) => Self::Expire(at.after(span, 1)?),
            (b"EXPIREAT", [moment]) => Self::Expire(at.on(moment, 1_000)?),
            (b"PEXPIREAT", [moment]) => Self::Expire(at.on(moment, 1)?),
            (b"SETEX", [span, value]) => Self::Set(integer(value)?, at.after_some(span, 1_000)?, Condition::Always),
            (b"PSETEX", [span, value]) => Self::Set(integer(value)?, at.after_some(span, 1)?, Condition::Always),
            (b"SETNX", [value]) => Self::SetAbsent(integer(value)?),
            (b"SET", [value, options @ ..]) => {
                let (expires, condition) = set_options(options, at)?;
                Self::Set(integer(value)?, expires, condition)
            }
            _ => return None,
        })
    }

    /// Carries it out on `counter`, one of `sharers`, and appends the reply.
    pub(crate) fn answer(self, counter: &mut Counter, sharers: u32, now: Time, protocol: Protocol, out: &mut Vec<u8>) {
        match self {
            Self::Add(by) => match counter.add(by, sharers, now) {
                Ok(told) => encode::integer(out, told),
                Err(overflow) => encode::error(out, &format!("ERR {overflow}")),
            },
            Self::Get => match counter.value(sharers, now) {
                Some(value) => encode::bulk(out, value.to_string().as_bytes()),
                None => encode::nil(out, protocol),
            },
            Self::Set(value, expires, condition) => match counter.write(value, expires, condition, now) {
                true => encode::simple(out, "OK"),
                false => encode::nil(out, protocol),
            },
            Self::SetAbsent(value) => {
                let written = counter.write(value, Expiry::Never, Condition::Absent, now);
                encode::integer(out, i64::from(written));
            }
            Self::Delete => encode::integer(out, i64::from(counter.delete(now))),
            Self::Expire(expires) => encode::integer(out, i64::from(counter.expire(expires, now))),
            Self::Persist => {
                let was_to_end = matches!(counter.expiry(now), Some(Expiry::At(_)));
                counter.expire(Expiry::Never, now);
                encode::integer(out, i64::from(was_to_end));
            }
            Self::Ttl(unit_ms) => encode::integer(out, ttl(counter.expiry(now), unit_ms, now)),
        }
    }

    /// Appends the reply of a route that lets everybody through: that of a key that is not there, but for a countdown,
    /// which has something left.
    pub(crate) fn answer_open(self, now: Time, protocol: Protocol, out: &mut Vec<u8>) {
        match self {
            Self::Add(by) if by < 0 => encode::integer(out, 0),
            Self::Expire(_) => encode::integer(out, 1),
            Self::Add(_)
            | Self::Get
            | Self::Set(..)
            | Self::SetAbsent(_)
            | Self::Persist
            | Self::Ttl(_)
            | Self::Delete => self.answer(&mut Counter::default(), 1, now, protocol, out),
        }
    }
}

impl Moment {
    /// A moment `span` units of `unit_ms` from here.
    fn after(self, span: &[u8], unit_ms: i64) -> Option<Expiry> {
        let millis = integer(span)?.checked_mul(unit_ms)?;
        let span = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        Some(Expiry::At(self.now + span))
    }

    /// The same of a span that Redis would refuse if it were none.
    fn after_some(self, span: &[u8], unit_ms: i64) -> Option<Expiry> {
        if integer(span)? > 0 { self.after(span, unit_ms) } else { None }
    }

    /// A moment in units of `unit_ms` since 1970.
    fn on(self, moment: &[u8], unit_ms: i64) -> Option<Expiry> {
        let millis = integer(moment)?.checked_mul(unit_ms)?.checked_sub(self.unix_ms)?;
        Some(Expiry::At(self.now + Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
    }
}

fn set_options(options: &[&[u8]], at: Moment) -> Option<(Expiry, Condition)> {
    let (mut expires, mut condition) = (Expiry::Never, Condition::Always);
    let mut rest = options;
    while let [option, more @ ..] = rest {
        rest = match (option.to_ascii_uppercase().as_slice(), more) {
            (b"NX", _) if condition == Condition::Always => {
                condition = Condition::Absent;
                more
            }
            (b"XX", _) if condition == Condition::Always => {
                condition = Condition::Present;
                more
            }
            (unit @ (b"EX" | b"PX" | b"EXAT" | b"PXAT"), [number, more @ ..]) if expires == Expiry::Never => {
                expires = match unit {
                    b"EX" => at.after_some(number, 1_000)?,
                    b"PX" => at.after_some(number, 1)?,
                    b"EXAT" => at.on(number, 1_000)?,
                    _ => at.on(number, 1)?,
                };
                more
            }
            _ => return None,
        };
    }
    Some((expires, condition))
}

fn ttl(expiry: Option<Expiry>, unit_ms: u64, now: Time) -> i64 {
    match expiry {
        None => -2,
        Some(Expiry::Unsaid | Expiry::Never) => -1,
        Some(Expiry::At(at)) => {
            let millis = u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
            i64::try_from((millis + unit_ms / 2) / unit_ms).unwrap_or(i64::MAX)
        }
    }
}

/// A whole number as Redis reads one: no sign but a minus, no zero in front.
fn integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Moment = Moment { now: Time::from_millis(1_000), unix_ms: 1_790_000_000_000 };

    fn read(command: &str) -> Option<Count> {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        Count::read(&words, AT)
    }

    fn ends(millis: u64) -> Expiry {
        Expiry::At(AT.now + Duration::from_millis(millis))
    }

    #[test]
    fn commands_that_count_are_understood() {
        for (command, count) in [
            ("INCR k", Count::Add(1)),
            ("incrby k 5", Count::Add(5)),
            ("DECR k", Count::Add(-1)),
            ("DECRBY k 3", Count::Add(-3)),
            ("GET k", Count::Get),
            ("UNLINK k", Count::Delete),
            ("TTL k", Count::Ttl(1_000)),
            ("EXPIRE k 60", Count::Expire(ends(60_000))),
            ("PEXPIRE k 60", Count::Expire(ends(60))),
            ("EXPIRE k -1", Count::Expire(ends(0))),
            ("EXPIREAT k 1790000060", Count::Expire(ends(60_000))),
            ("SETEX k 5 0", Count::Set(0, ends(5_000), Condition::Always)),
            ("SETNX k 1", Count::SetAbsent(1)),
            ("SET k 7", Count::Set(7, Expiry::Never, Condition::Always)),
            ("SET k 7 EX 9 nx", Count::Set(7, ends(9_000), Condition::Absent)),
            ("SET k 7 XX PXAT 1790000000004", Count::Set(7, ends(4), Condition::Present)),
        ] {
            assert_eq!(read(command), Some(count), "{command}");
        }
    }

    #[test]
    fn what_cannot_be_answered_for_certain_is_not_understood() {
        for command in [
            "EXISTS k",
            "INCR",
            "INCR k 1",
            "INCRBY k x",
            "INCRBY k 01",
            "INCRBY k +1",
            "DECRBY k -9223372036854775808",
            "DEL a b",
            "SET k hello",
            "SET k 1 GET",
            "SET k 1 KEEPTTL",
            "SET k 1 NX XX",
            "SET k 1 EX 0",
            "SET k 1 EX 1 PX 1",
            "SETEX k 0 1",
            "EXPIRE k 5 NX",
            "EXPIRE k 9223372036854775807",
            "ZADD k 1 a",
            "INCRBYFLOAT k 1",
            "HINCRBY k f 1",
            "EVALSHA a 1 k",
            "GETSET k 1",
        ] {
            assert_eq!(read(command), None, "{command}");
        }
    }

    fn session(commands: &[&str], sharers: u32) -> Vec<String> {
        let mut counter = Counter::default();
        let answer = |command: &&str| {
            let mut out = Vec::new();
            read(command).unwrap().answer(&mut counter, sharers, AT.now, Protocol::Resp2, &mut out);
            String::from_utf8(out).unwrap().trim_end().replace("\r\n", " ")
        };
        commands.iter().map(answer).collect()
    }

    #[test]
    fn answers_are_those_of_redis_with_what_is_counted_multiplied() {
        let asked = ["GET k", "TTL k", "INCR k", "EXPIRE k 60", "TTL k", "PTTL k", "INCR k", "GET k", "DEL k", "DEL k"];
        let one = session(&asked, 1);
        assert_eq!(one, ["$-1", ":-2", ":1", ":1", ":60", ":60000", ":2", "$1 2", ":1", ":0"]);
        let ten = session(&asked, 10);
        assert_eq!(ten[2..3], [":1"]);
        assert_eq!(ten[6..8], [":11", "$2 20"]);
        let set = ["SET k 5 EX 9 NX", "SET k 6 NX", "DECR k", "DECR k", "PERSIST k", "PERSIST k", "TTL k", "SETNX k 1"];
        assert_eq!(session(&set, 1), ["+OK", "$-1", ":4", ":3", ":1", ":0", ":-1", ":0"]);
    }

    #[test]
    fn an_open_route_answers_as_if_nobody_had_been_counted() {
        for (command, reply) in [
            ("INCR k", ":1"),
            ("INCRBY k 7", ":7"),
            ("DECR k", ":0"),
            ("GET k", "$-1"),
            ("EXPIRE k 5", ":1"),
            ("TTL k", ":-2"),
            ("SET k 1 NX", "+OK"),
            ("SETNX k 1", ":1"),
            ("DEL k", ":0"),
        ] {
            let mut out = Vec::new();
            read(command).unwrap().answer_open(AT.now, Protocol::Resp2, &mut out);
            assert_eq!(out, format!("{reply}\r\n").into_bytes(), "{command}");
        }
    }
}
