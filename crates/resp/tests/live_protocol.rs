//! The request scanner held against a real server: the same words refused, the same words accepted.
#![allow(clippy::unwrap_used)]

mod common;

use common::Redis;
use failsoft_resp::{Head, Limits, ProtocolError, RequestScanner, reply};
use proptest::prelude::*;

fn our_verdict(input: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let mut scanner = RequestScanner::new(Limits::default());
    let command = scanner.scan(input)?.expect("a whole frame");
    Ok(command.args().map(<[u8]>::to_vec).collect())
}

#[test]
fn what_the_server_refuses_we_refuse_in_its_words() {
    let redis = Redis::start();
    let inputs = [
        b"*a\r\n".to_vec(),
        b"*\r\n".to_vec(),
        b"*01\r\n".to_vec(),
        b"*+1\r\n".to_vec(),
        b"*-0\r\n".to_vec(),
        b"*2147483648\r\n".to_vec(),
        b"*99999999999999999999\r\n".to_vec(),
        b"*1\r\n$003\r\nGET\r\n".to_vec(),
        b"*1\r\n$+3\r\nGET\r\n".to_vec(),
        b"*1\r\n$-0\r\n\r\n".to_vec(),
        b"*1\r\n$-1\r\n".to_vec(),
        b"*1\r\n$\r\n".to_vec(),
        b"*1\r\n$536870913\r\n".to_vec(),
        b"*1\r\n!3\r\nGET\r\n".to_vec(),
        b"*1\r\n\xff3\r\nGET\r\n".to_vec(),
        b"*1\r\n\r\n".to_vec(),
        b"*1\r\n\n\r\n".to_vec(),
        b"get \"a\r\n".to_vec(),
        b"get 'a'b\r\n".to_vec(),
        [b"get ".to_vec(), vec![b'x'; 64 << 10]].concat(),
        [b"*".to_vec(), vec![b'1'; 64 << 10]].concat(),
        [b"*1\r\n$".to_vec(), vec![b'1'; 64 << 10]].concat(),
    ];
    for input in inputs {
        let shown = input[..input.len().min(40)].escape_ascii().to_string();
        let mut connection = redis.connect();
        connection.send(&input);
        let words = connection.reply().expect("an error");
        let error = our_verdict(&input).expect_err(&shown);
        assert_eq!(error.to_reply().escape_ascii().to_string(), words.escape_ascii().to_string(), "{shown}");
        assert_eq!(connection.reply(), None, "{shown}: the server closes");
    }
}

#[test]
fn http_is_closed_without_a_word() {
    let redis = Redis::start();
    let inputs: [&[u8]; 4] =
        [b"POST / HTTP/1.1\r\n", b"host: x\r\n", b"*1\r\n$4\r\npOST\r\n", b"*1\r\n$5\r\nHOST:\r\n"];
    for input in inputs {
        let mut connection = redis.connect();
        connection.send(input);
        assert_eq!(connection.reply(), None);
        assert_eq!(our_verdict(input), Err(ProtocolError::Http));
    }
}

/// Why we are stricter: the server takes these for a PING, and another parser might not.
#[test]
fn the_server_skips_line_ends_unseen_and_we_do_not() {
    let redis = Redis::start();
    let inputs: [&[u8]; 3] = [b"*1\r\n$4\r\nPINGXX", b"*1\rX$4\r\nPING\r\n", b"*1\r\n$4\rXPING\r\n"];
    for input in inputs {
        let mut connection = redis.connect();
        connection.send(input);
        assert_eq!(connection.reply().unwrap(), b"+PONG\r\n");
        assert!(our_verdict(input).is_err());
    }
}

#[test]
fn empty_requests_are_not_answered() {
    let redis = Redis::start();
    let mut connection = redis.connect();
    connection.send(b"\r\n\n  \r\n*0\r\n*-1\r\n*-9\r\nPING\r\n");
    assert_eq!(connection.reply().unwrap(), b"+PONG\r\n");
}

/// The server's reading of one inline argument: what ECHO gives back, or `None` for unbalanced quotes.
fn echoed(redis: &Redis, line: &[u8]) -> Option<Vec<u8>> {
    let mut connection = redis.connect();
    connection.send(line);
    let frame = connection.reply().unwrap();
    match reply::head(&frame) {
        Some(Head::Bulk(bytes)) => Some(bytes.to_vec()),
        Some(Head::Error(error)) if error.ends_with(b"unbalanced quotes in request") => None,
        Some(Head::Error(error)) if error.starts_with(b"ERR wrong number of arguments") => Some(b"?".to_vec()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn inline_words_are_split_as_the_server_splits_them() {
    let redis = Redis::start();
    let word = "[ab'\"\\\\xn04 \t\r\x0b\x0c]{0,10}";
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&word, |word| {
        let line = format!("ECHO {word}\r\n").into_bytes();
        let ours = match our_verdict(&line) {
            Ok(args) if args.len() == 2 => Some(args[1].clone()),
            Ok(_) => Some(b"?".to_vec()),
            Err(error) => {
                prop_assert_eq!(error, ProtocolError::UnbalancedQuotes);
                None
            }
        };
        prop_assert_eq!(ours, echoed(&redis, &line));
        Ok(())
    });
    result.unwrap();
}
