//! The reply scanner and its views held against the `redis` crate's parser, on whole, cut, joined and damaged streams.
//!
//! The two are independent: theirs builds values, ours finds boundaries. Where both accept a frame they must see the same
//! value in it. Ours is stricter on damaged input (canonical lengths, nothing after a null), theirs on text (UTF-8).
#![allow(clippy::unwrap_used)]

use failsoft_resp::reply::{Aggregate, elements, head};
use failsoft_resp::{Head, Limits, ReplyError, ReplyScanner};
use proptest::prelude::*;
use redis::Value;

/// Any reply of either protocol, as bytes.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let text = "[ -~]{0,20}";
    let blob = prop::collection::vec(any::<u8>(), 0..30);
    let leaf = prop_oneof![
        4 => blob.prop_map(|bytes| prefixed(b'$', &bytes)),
        2 => any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        2 => text.prop_map(|text| format!("+{text}\r\n").into_bytes()),
        1 => "[A-Z]{1,9}( [ -~]{0,20})?".prop_map(|text| format!("-{text}\r\n").into_bytes()),
        1 => "[A-Z]{1,9}( [ -~]{0,20})?".prop_map(|text| prefixed(b'!', text.as_bytes())),
        1 => text.prop_map(|text| prefixed(b'=', format!("txt:{text}").as_bytes())),
        1 => "-?[1-9][0-9]{0,40}".prop_map(|digits| format!("({digits}\r\n").into_bytes()),
        1 => any::<f64>().prop_map(|number| format!(",{number}\r\n").into_bytes()),
        1 => prop::sample::select(vec!["$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", "#f\r\n", ",inf\r\n", ",-inf\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..6);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            3 => many.clone().prop_map(|values| aggregate(b'*', values.len(), &values.concat())),
            1 => many.prop_map(|values| aggregate(b'~', values.len(), &values.concat())),
            1 => pairs.clone().prop_map(|pairs| aggregate(b'%', pairs.len(), &joined(&pairs))),
            1 => (pairs, inner).prop_map(|(pairs, value)| {
                [aggregate(b'|', pairs.len(), &joined(&pairs)), value].concat()
            }),
        ]
    })
}

/// A reply, or an out-of-band message of replies.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let push = prop::collection::vec(reply(), 0..4)
        .prop_map(|values| aggregate(b'>', values.len() + 1, &[&b"+message\r\n"[..], &values.concat()].concat()));
    prop_oneof![5 => reply(), 1 => push]
}

fn prefixed(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind], format!("{}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn aggregate(kind: u8, len: usize, body: &[u8]) -> Vec<u8> {
    [&[kind], format!("{len}\r\n").as_bytes(), body].concat()
}

fn joined(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    pairs.iter().flat_map(|(key, value)| [&key[..], &value[..]].concat()).collect()
}

/// Whether our views of `frame` show `value`.
fn shows(frame: &[u8], value: &Value) -> bool {
    if let Value::Attribute { data, .. } = value {
        return shows(frame, data);
    }
    match (head(frame).unwrap(), value) {
        (Head::Nil, Value::Nil) => true,
        (Head::Simple(b"OK"), Value::Okay) => true,
        (Head::Simple(text), Value::SimpleString(theirs)) => text == theirs.as_bytes(),
        (Head::Bulk(bytes), Value::BulkString(theirs)) => bytes == theirs,
        (Head::Bulk(bytes), Value::VerbatimString { format, text }) => {
            let ours = String::from_utf8_lossy(bytes);
            // A format has three letters; redis goes by the first colon, wherever the damage has put it.
            let damaged = matches!(format, redis::VerbatimFormat::Unknown(name) if name.len() != 3);
            let nested = ours.ends_with(text.as_str()) || text.ends_with(ours.as_ref());
            ours == text.as_str() || damaged && nested
        }
        (Head::Integer(number), Value::Int(theirs)) => number == *theirs,
        (Head::Boolean(truth), Value::Boolean(theirs)) => truth == *theirs,
        (Head::BigNumber(digits), Value::BigNumber(theirs)) => digits == theirs.to_vec(),
        (Head::Double(text), Value::Double(theirs)) => {
            let ours: f64 = std::str::from_utf8(text).unwrap().parse().unwrap();
            ours == *theirs || ours.is_nan() && theirs.is_nan()
        }
        (Head::Error(message), Value::ServerError(theirs)) => {
            let detail = theirs.details().map(|detail| format!(" {detail}")).unwrap_or_default();
            String::from_utf8_lossy(message) == format!("{}{detail}", theirs.code())
        }
        (Head::Aggregate { kind: Aggregate::Array, len }, Value::Array(theirs)) => {
            len == theirs.len() && all_show(frame, theirs.iter())
        }
        (Head::Aggregate { kind: Aggregate::Set, len }, Value::Set(theirs)) => {
            len == theirs.len() && all_show(frame, theirs.iter())
        }
        (Head::Aggregate { kind: Aggregate::Map, len }, Value::Map(theirs)) => {
            len == theirs.len() && all_show(frame, theirs.iter().flat_map(|(key, value)| [key, value]))
        }
        (Head::Push { len: 0 }, Value::Push { data, .. }) => data.is_empty(),
        (Head::Push { len }, Value::Push { kind, data }) => {
            let mut children = elements(frame);
            let first = head(children.next().unwrap());
            let named =
                matches!(first, Some(Head::Simple(name) | Head::Bulk(name)) if name == kind.to_string().as_bytes());
            named && len == data.len() + 1 && children.zip(data).all(|(child, value)| shows(child, value))
        }
        _ => false,
    }
}

fn all_show<'a>(frame: &[u8], values: impl Iterator<Item = &'a Value>) -> bool {
    let (children, values): (Vec<_>, Vec<_>) = (elements(frame).collect(), values.collect());
    children.len() == values.len() && children.iter().zip(values).all(|(child, value)| shows(child, value))
}

/// The frames one scanner finds in a stream that arrives in pieces ending at `cuts`, or why it gave up.
fn frames<'a>(stream: &'a [u8], cuts: &[usize]) -> (Vec<&'a [u8]>, Option<ReplyError>) {
    let mut scanner = ReplyScanner::new(Limits::default());
    let (mut start, mut found) = (0, Vec::new());
    for &cut in cuts.iter().chain([&stream.len()]) {
        loop {
            match scanner.scan(&stream[start..cut]) {
                Ok(Some(len)) => {
                    found.push(&stream[start..][..len]);
                    start += len;
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// Whether the damage may have put a push among the elements: redis counts it as one of them, which Redis does not.
fn holds_push(frame: &[u8]) -> bool {
    frame.windows(3).any(|bytes| bytes == b"\r\n>")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_see_the_same_value(frame in frame()) {
        let theirs = redis::parse_redis_value(&frame).unwrap();
        prop_assert_eq!(ReplyScanner::new(Limits::default()).scan(&frame), Ok(Some(frame.len())));
        prop_assert!(shows(&frame, &theirs), "{} {theirs:?}", frame.escape_ascii());
    }

    #[test]
    fn any_cut_of_a_stream_gives_the_same_frames(
        sent in prop::collection::vec(frame(), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = sent.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let expected = (sent.iter().map(Vec::as_slice).collect::<Vec<_>>(), None);
        prop_assert_eq!(&frames(&stream, &[]), &expected);
        prop_assert_eq!(&frames(&stream, &cuts), &expected);
        prop_assert_eq!(&frames(&stream, &(1..stream.len()).collect::<Vec<_>>()), &expected);
    }

    #[test]
    fn no_prefix_is_a_frame_to_either(frame in frame(), cut in any::<prop::sample::Index>()) {
        let prefix = &frame[..cut.index(frame.len())];
        prop_assert_eq!(ReplyScanner::new(Limits::default()).scan(prefix), Ok(None));
        prop_assert!(redis::parse_redis_value(prefix).is_err());
    }

    #[test]
    fn damaged_streams_are_cut_alike_or_not_at_all(
        frame in frame(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"0123456789-\r\n$*:+%~>|_#,".to_vec())],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut damaged = frame;
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let whole = frames(&damaged, &[]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(damaged.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(&frames(&damaged, &cuts), &whole);
        for found in whole.0.into_iter().filter(|found| !holds_push(found)) {
            if let Ok(theirs) = redis::parse_redis_value(found) {
                prop_assert!(shows(found, &theirs), "{} {theirs:?}", found.escape_ascii());
            }
            prop_assert!(redis::parse_redis_value(&found[..found.len() - 1]).is_err());
        }
    }
}
