//! The reply scanner against hand-made frames, on cut streams, against hostile servers and its own step count.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::work;

fn scan(buf: &[u8]) -> Result<Option<usize>, ReplyError> {
    ReplyScanner::new(Limits::default()).scan(buf)
}

/// One of each type, and a few that nest.
const REPLIES: [&[u8]; 32] = [
    b"+OK\r\n",
    b"+\r\n",
    b"-ERR no\r\n",
    b":42\r\n",
    b":-9223372036854775808\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$5\r\nhe\r\no\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
    b"*2\r\n*0\r\n$-1\r\n",
    b"_\r\n",
    b"#t\r\n",
    b"#f\r\n",
    b",3.25\r\n",
    b",inf\r\n",
    b",-inf\r\n",
    b",nan\r\n",
    b",1e-7\r\n",
    b"(3492890328409238509324850943850943825024385\r\n",
    b"!5\r\nERR x\r\n",
    b"=8\r\ntxt:text\r\n",
    b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n",
    b"~3\r\n:1\r\n:2\r\n:3\r\n",
    b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
    b"|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n",
    b"|0\r\n|1\r\n+a\r\n+b\r\n:1\r\n",
    b"*2\r\n|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n:2\r\n",
    b"|1\r\n+a\r\n+b\r\n>1\r\n+x\r\n",
    b"(12 or so\r\n",
    b"*2\r\n>2\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
];

#[test]
fn every_type_ends_where_it_ends() {
    for reply in REPLIES {
        let followed = [reply, b"+NEXT\r\n"].concat();
        assert_eq!(scan(&followed), Ok(Some(reply.len())), "{}", reply.escape_ascii());
    }
}

#[test]
fn no_prefix_is_taken_for_a_reply() {
    for reply in REPLIES {
        let mut resumed = ReplyScanner::new(Limits::default());
        for cut in 0..reply.len() {
            assert_eq!(scan(&reply[..cut]), Ok(None), "{}", reply[..cut].escape_ascii());
            assert_eq!(resumed.scan(&reply[..cut]), Ok(None));
        }
        assert_eq!(resumed.scan(reply), Ok(Some(reply.len())));
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    use ReplyError::*;
    let cases: [(&[u8], ReplyError); 22] = [
        (b"x", UnknownType(b'x')),
        (b"\r\n", UnknownType(b'\r')),
        (b"$?\r\n", InvalidLength),
        (b"*?\r\n", InvalidLength),
        (b"$-2\r\n", InvalidLength),
        (b"$05\r\nhello\r\n", InvalidLength),
        (b"$+5\r\nhello\r\n", InvalidLength),
        (b"$5\rXhello\r\n", InvalidLength),
        (b"$0000000000000000000000000000", InvalidLength),
        (b"!-1\r\n", InvalidLength),
        (b"%-1\r\n", InvalidLength),
        (b">-1\r\n", InvalidLength),
        (b"=3\r\ntxt\r\n", InvalidLength),
        (b"$5\r\nhelloXX", MissingLineEnd),
        (b"+OK\rX", MissingLineEnd),
        (b":\r\n", InvalidScalar),
        (b":1x\r\n", InvalidScalar),
        (b"#x\r\n", InvalidScalar),
        (b"_x\r\n", InvalidScalar),
        (b",x\r\n", InvalidScalar),
        (b"$536870913\r\n", BulkTooLong),
        (b"*1048577\r\n", TooManyElements),
    ];
    for (input, expected) in cases {
        assert_eq!(scan(input), Err(expected), "{}", input.escape_ascii());
    }
}

#[test]
fn depth_is_refused_one_past_its_limit() {
    let limits = Limits { max_depth: 3, ..Limits::default() };
    let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
    assert_eq!(ReplyScanner::new(limits).scan(&nested(3)), Ok(Some(16)));
    assert_eq!(ReplyScanner::new(limits).scan(&nested(4)), Err(ReplyError::TooDeep));
    assert_eq!(scan(&nested(1_000_000)), Err(ReplyError::TooDeep));
    assert_eq!(ReplyScanner::new(Limits::REPLIES).scan(&nested(8_000)), Ok(Some(8_000 * 4 + 4)));
    assert_eq!(ReplyScanner::new(Limits::REPLIES).scan(&nested(1_000_000)), Err(ReplyError::TooDeep));
    assert_eq!(scan(&b"|1\r\n".repeat(1_000_000)), Err(ReplyError::TooDeep));
}

#[test]
fn lines_are_refused_one_past_their_limit() {
    let limits = Limits { max_line: 4, ..Limits::default() };
    assert_eq!(ReplyScanner::new(limits).scan(b"+1234\r\n"), Ok(Some(7)));
    assert_eq!(ReplyScanner::new(limits).scan(b"+1234"), Ok(None));
    assert_eq!(ReplyScanner::new(limits).scan(b"+12345"), Err(ReplyError::LineTooLong));
}

#[test]
fn claims_cost_nothing() {
    let mut scanner = ReplyScanner::new(Limits::REPLIES);
    assert_eq!(scanner.scan(b"*1048576\r\n*1048576\r\n$536870912\r\nabc"), Ok(None));
    assert!(scanner.outer.capacity() < 16);
}

#[test]
fn work_grows_with_bytes_and_not_with_reads() {
    let mut reply = b"*2003\r\n".to_vec();
    reply.extend(b"$1\r\nv\r\n:12\r\n".repeat(1_000));
    reply.extend([b"$50000\r\n".to_vec(), vec![b'x'; 50_000], b"\r\n".to_vec()].concat());
    reply.extend([b"+".to_vec(), vec![b'x'; 50_000], b"\r\n".to_vec()].concat());
    reply.extend(b"%1\r\n+a\r\n$-1\r\n");
    let mut scanner = ReplyScanner::new(Limits::default());
    work::take();
    for cut in 0..reply.len() {
        assert_eq!(scanner.scan(&reply[..cut]), Ok(None));
    }
    assert_eq!(scanner.scan(&reply), Ok(Some(reply.len())));
    let steps = work::take();
    assert!(steps <= 4 * reply.len(), "{steps} steps for {} bytes", reply.len());
}

#[test]
fn heads() {
    let array = |len| Head::Aggregate { kind: Aggregate::Array, len };
    let cases: [(&[u8], Head<'_>); 18] = [
        (b"+OK\r\n", Head::Simple(b"OK")),
        (b"-MOVED 1 h:1\r\n", Head::Error(b"MOVED 1 h:1")),
        (b"!5\r\nERR x\r\n", Head::Error(b"ERR x")),
        (b":-7\r\n", Head::Integer(-7)),
        (b"$-1\r\n", Head::Nil),
        (b"*-1\r\n", Head::Nil),
        (b"_\r\n", Head::Nil),
        (b"$5\r\nMOVED\r\n", Head::Bulk(b"MOVED")),
        (b"=8\r\ntxt:text\r\n", Head::Bulk(b"text")),
        (b",3.25\r\n", Head::Double(b"3.25")),
        (b"#t\r\n", Head::Boolean(true)),
        (b"#f\r\n", Head::Boolean(false)),
        (b"(12\r\n", Head::BigNumber(b"12")),
        (b"*2\r\n:1\r\n:2\r\n", array(2)),
        (b"%1\r\n:1\r\n:2\r\n", Head::Aggregate { kind: Aggregate::Map, len: 1 }),
        (b"~0\r\n", Head::Aggregate { kind: Aggregate::Set, len: 0 }),
        (b">1\r\n+x\r\n", Head::Push { len: 1 }),
        (b"|1\r\n+a\r\n*1\r\n:1\r\n*0\r\n", array(0)),
    ];
    for (frame, expected) in cases {
        assert_eq!(head(frame), Some(expected), "{}", frame.escape_ascii());
    }
    assert_eq!(error_word(b"MOVED 1 h:1"), b"MOVED");
    assert_eq!(error_word(b"EXECABORT"), b"EXECABORT");
    assert!(is_push(b"|1\r\n+a\r\n+b\r\n>1\r\n+x\r\n"));
    assert!(!is_push(b"*1\r\n+x\r\n"));
}

#[test]
fn views_of_broken_frames_do_not_panic() {
    for reply in REPLIES {
        for cut in 0..reply.len() {
            let _ = (head(&reply[..cut]), is_push(&reply[..cut]));
            assert!(elements(&reply[..cut]).count() <= reply.len());
        }
    }
    assert_eq!(head(b"*?\r\n"), None);
    assert_eq!(elements(b"*9999999999999\r\n:1\r\n").count(), 1);
}

#[test]
fn children_are_frames() {
    let children = |frame| elements(frame).collect::<Vec<&[u8]>>();
    assert_eq!(children(b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n"), [&b"$1\r\na\r\n"[..], b"*1\r\n:1\r\n"]);
    assert_eq!(children(b"%1\r\n+k\r\n|1\r\n+a\r\n+b\r\n:1\r\n").len(), 2);
    assert_eq!(children(b"|1\r\n+a\r\n+b\r\n~1\r\n:1\r\n"), [b":1\r\n"]);
    assert_eq!(children(b">1\r\n+x\r\n"), [b"+x\r\n"]);
    assert!(children(b"*-1\r\n").is_empty());
    assert!(children(b"+OK\r\n").is_empty());
}
