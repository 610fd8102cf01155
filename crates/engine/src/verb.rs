//! The commands that a route is read through: what an absence looks like in their replies, and how each is answered
//! from a value that Redis did not give.
//!
//! Everything that knows the difference between GET and HGETALL is here, so that the way of a request through the
//! tiers does not.

use bytes::Bytes;
use failsoft_core::Outcome;
use failsoft_core::outcome::MissCause;
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Head};

use crate::value::Value;

/// A read of one key that any tier may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `GET key`
    Get,
    /// `EXISTS key`
    Exists,
    /// `STRLEN key`
    StrLen,
    /// `GETRANGE key start end`
    GetRange,
    /// `HGET key field`
    HGet,
    /// `HMGET key field [field ...]`
    HMGet,
    /// `HGETALL key`
    HGetAll,
}

/// A read of several keys that is answered key by key when Redis cannot answer it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManyVerb {
    /// `MGET key [key ...]`
    MGet,
    /// `EXISTS key key [key ...]`
    Exists,
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

impl Verb {
    /// The verb of a command with this name and number of arguments (the name included), if it is one.
    pub fn of(name: &[u8], arguments: usize) -> Option<Self> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        match arguments {
            2 if is("GET") => Some(Self::Get),
            2 if is("EXISTS") => Some(Self::Exists),
            2 if is("STRLEN") => Some(Self::StrLen),
            2 if is("HGETALL") => Some(Self::HGetAll),
            3 if is("HGET") => Some(Self::HGet),
            4 if is("GETRANGE") => Some(Self::GetRange),
            3.. if is("HMGET") => Some(Self::HMGet),
            _ => None,
        }
    }

    /// What a node's reply means: a value, or an absence. Refusals, failures and silence stay what they are.
    pub fn judge(self, outcome: Outcome, reply: &[u8]) -> Outcome {
        if outcome == Outcome::Hit && self.is_absence(reply) { Outcome::Miss(MissCause::Absent) } else { outcome }
    }

    fn is_absence(self, frame: &[u8]) -> bool {
        match self {
            Self::Get | Self::HGet => matches!(reply::head(frame), Some(Head::Nil)),
            Self::Exists | Self::StrLen => frame == b":0\r\n",
            Self::GetRange => frame == b"$0\r\n\r\n",
            Self::HGetAll => matches!(frame, b"*0\r\n" | b"%0\r\n"),
            Self::HMGet => reply::elements(frame).all(|element| matches!(reply::head(element), Some(Head::Nil))),
        }
    }

    /// The whole value behind a node's reply, where the reply holds the whole.
    pub fn learn(self, frame: &[u8]) -> Option<Value> {
        match self {
            Self::Get => match reply::head(frame) {
                Some(Head::Bulk(bytes)) => Some(Value::Raw(Bytes::copy_from_slice(bytes))),
                _ => None,
            },
            Self::HGetAll => learn_hash(frame),
            Self::Exists | Self::StrLen | Self::GetRange | Self::HGet | Self::HMGet => None,
        }
    }

    /// Whether whoever hears that there is nothing is expected to make it. Who asks whether a key is there wants to know
    /// just that.
    pub fn is_answered_by_making(self) -> bool {
        match self {
            Self::Get | Self::StrLen | Self::GetRange | Self::HGet | Self::HMGet | Self::HGetAll => true,
            Self::Exists => false,
        }
    }

    /// Whether the answer depends on what is said after the key.
    pub fn reads_arguments(self) -> bool {
        match self {
            Self::GetRange | Self::HGet | Self::HMGet => true,
            Self::Get | Self::Exists | Self::StrLen | Self::HGetAll => false,
        }
    }

    /// Appends the reply that Redis would give if the key held `value`. `args` are the command's words;
    /// they may be left out unless the verb [reads them](Self::reads_arguments).
    pub fn answer(self, args: &[&[u8]], value: &Value, protocol: Protocol, out: &mut Vec<u8>) {
        match (self, value) {
            (Self::Exists, _) => encode::integer(out, 1),
            (Self::Get, Value::Raw(bytes)) => encode::bulk(out, bytes),
            (Self::StrLen, Value::Raw(bytes)) => encode::integer(out, bytes.len() as i64),
            (Self::GetRange, Value::Raw(bytes)) => answer_range(args, bytes, out),
            (Self::HGet, Value::Hash(fields)) => answer_field(fields, args.get(2).copied(), protocol, out),
            (Self::HMGet, Value::Hash(fields)) => {
                let wanted = args.get(2..).unwrap_or_default();
                encode::array_header(out, wanted.len());
                for field in wanted {
                    answer_field(fields, Some(field), protocol, out);
                }
            }
            (Self::HGetAll, Value::Hash(fields)) => {
                encode::map_header(out, fields.len(), protocol);
                for (field, value) in fields {
                    encode::bulk(out, field);
                    encode::bulk(out, value);
                }
            }
            (Self::Get | Self::StrLen | Self::GetRange, Value::Hash(_))
            | (Self::HGet | Self::HMGet | Self::HGetAll, Value::Raw(_)) => encode::error(out, WRONG_TYPE),
        }
    }

    /// Appends the reply that Redis gives for a key that is not there.
    pub fn answer_absent(self, args: &[&[u8]], protocol: Protocol, out: &mut Vec<u8>) {
        match self {
            Self::Get | Self::HGet => encode::nil(out, protocol),
            Self::Exists | Self::StrLen => encode::integer(out, 0),
            Self::GetRange => answer_range(args, b"", out),
            Self::HMGet => self.answer(args, &Value::Hash(Vec::new()), protocol, out),
            Self::HGetAll => encode::map_header(out, 0, protocol),
        }
    }
}

impl ManyVerb {
    /// The verb of a command with this name and number of arguments (the name included), if it is one.
    pub fn of(name: &[u8], arguments: usize) -> Option<Self> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        match arguments {
            2.. if is("MGET") => Some(Self::MGet),
            3.. if is("EXISTS") => Some(Self::Exists),
            _ => None,
        }
    }

    /// The read of one of its keys.
    pub fn single(self) -> Verb {
        match self {
            Self::MGet => Verb::Get,
            Self::Exists => Verb::Exists,
        }
    }

    /// Whether a node's reply to `keys` keys leaves nothing to be asked elsewhere.
    pub fn is_complete(self, frame: &[u8], keys: usize) -> bool {
        match self {
            Self::MGet => reply::elements(frame).all(|element| !matches!(reply::head(element), Some(Head::Nil))),
            Self::Exists => matches!(reply::head(frame), Some(Head::Integer(found)) if found == keys as i64),
        }
    }
}

fn learn_hash(frame: &[u8]) -> Option<Value> {
    let mut fields = Vec::new();
    let mut elements = reply::elements(frame);
    while let Some(field) = elements.next() {
        match (reply::head(field), reply::head(elements.next()?)) {
            (Some(Head::Bulk(field)), Some(Head::Bulk(value))) => {
                fields.push((Bytes::copy_from_slice(field), Bytes::copy_from_slice(value)));
            }
            _ => return None,
        }
    }
    Some(Value::Hash(fields))
}

fn answer_field(fields: &[(Bytes, Bytes)], wanted: Option<&[u8]>, protocol: Protocol, out: &mut Vec<u8>) {
    match fields.iter().find(|(field, _)| Some(field.as_ref()) == wanted) {
        Some((_, value)) => encode::bulk(out, value),
        None => encode::nil(out, protocol),
    }
}

/// `GETRANGE`: both ends inclusive, negative ones counted from the end (<https://redis.io/commands/getrange>).
fn answer_range(args: &[&[u8]], bytes: &[u8], out: &mut Vec<u8>) {
    let (Some(start), Some(end)) = (integer(args.get(2)), integer(args.get(3))) else {
        return encode::error(out, NOT_AN_INTEGER);
    };
    let len = bytes.len() as i64;
    if start < 0 && end < 0 && start > end {
        return encode::bulk(out, b"");
    }
    let from_end = |index: i64| if index < 0 { (len.saturating_add(index)).max(0) } else { index };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if len == 0 || start > end {
        return encode::bulk(out, b"");
    }
    encode::bulk(out, &bytes[start as usize..=end as usize]);
}

/// As Redis reads a number: in its one canonical form, so neither `+1` nor `01` nor `-0`.
fn integer(arg: Option<&&[u8]>) -> Option<i64> {
    let text = std::str::from_utf8(arg?).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(verb: Verb, args: &[&str], value: &Value) -> String {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        let mut out = Vec::new();
        verb.answer(&args, value, Protocol::Resp2, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn raw(text: &str) -> Value {
        Value::Raw(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn ranges_are_cut_as_redis_cuts_them() {
        // From the examples and the source of GETRANGE (t_string.c).
        for (start, end, wanted) in [
            ("0", "3", "This"),
            ("-3", "-1", "ing"),
            ("0", "-1", "This is a string"),
            ("10", "100", "string"),
            ("5", "3", ""),
            ("-100", "1", "Th"),
            ("-1", "-5", ""),
            ("100", "200", ""),
        ] {
            let reply = answer(Verb::GetRange, &["GETRANGE", "k", start, end], &raw("This is a string"));
            assert_eq!(reply, format!("${}\r\n{wanted}\r\n", wanted.len()), "{start} {end}");
        }
    }

    #[test]
    fn only_canonical_numbers_are_numbers() {
        for word in ["+1", "01", "-0", " 1", "1 ", "", "1.0", "9223372036854775808"] {
            let reply = answer(Verb::GetRange, &["GETRANGE", "k", word, "2"], &raw("text"));
            assert_eq!(reply, format!("-{NOT_AN_INTEGER}\r\n"), "{word:?}");
        }
    }

    #[test]
    fn a_string_is_not_a_hash() {
        assert!(answer(Verb::HGetAll, &["HGETALL", "k"], &raw("x")).starts_with("-WRONGTYPE"));
        assert!(answer(Verb::Get, &["GET", "k"], &Value::Hash(Vec::new())).starts_with("-WRONGTYPE"));
        assert_eq!(answer(Verb::Exists, &["EXISTS", "k"], &Value::Hash(Vec::new())), ":1\r\n");
    }

    #[test]
    fn absences_are_told_from_values() {
        let absences: [(Verb, &[u8]); 7] = [
            (Verb::Get, b"$-1\r\n"),
            (Verb::HGet, b"_\r\n"),
            (Verb::Exists, b":0\r\n"),
            (Verb::StrLen, b":0\r\n"),
            (Verb::GetRange, b"$0\r\n\r\n"),
            (Verb::HGetAll, b"*0\r\n"),
            (Verb::HMGet, b"*2\r\n$-1\r\n$-1\r\n"),
        ];
        for (verb, frame) in absences {
            assert_eq!(verb.judge(Outcome::Hit, frame), Outcome::Miss(MissCause::Absent), "{verb:?}");
        }
        assert_eq!(Verb::HMGet.judge(Outcome::Hit, b"*2\r\n$-1\r\n$1\r\na\r\n"), Outcome::Hit);
        assert_eq!(Verb::Get.judge(Outcome::Hit, b"$0\r\n\r\n"), Outcome::Hit);
    }

    #[test]
    fn a_hash_is_learned_whole_from_both_protocols() {
        let hash = Value::Hash(vec![(Bytes::from_static(b"a"), Bytes::from_static(b"1"))]);
        assert_eq!(Verb::HGetAll.learn(b"*2\r\n$1\r\na\r\n$1\r\n1\r\n"), Some(hash.clone()));
        assert_eq!(Verb::HGetAll.learn(b"%1\r\n$1\r\na\r\n$1\r\n1\r\n"), Some(hash));
    }
}
