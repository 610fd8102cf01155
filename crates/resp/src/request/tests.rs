//! The request scanner against hand-made frames, against itself on cut streams, and against its own step count.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$7\r\nuser:42\r\n";

fn scanner() -> RequestScanner {
    RequestScanner::new(Limits::default())
}

fn error(input: &[u8]) -> ProtocolError {
    scanner().scan(input).unwrap_err()
}

/// What one scanner makes of a stream that arrives in pieces ending at `cuts`.
fn run(stream: &[u8], cuts: &[usize], limits: Limits) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut scanner = RequestScanner::new(limits);
    let (mut start, mut commands) = (0, Vec::new());
    for &cut in cuts.iter().chain([&stream.len()]) {
        loop {
            match scanner.scan(&stream[start..cut]) {
                Ok(Some(command)) => {
                    commands.push(command.args().map(<[u8]>::to_vec).collect());
                    start += command.consumed();
                }
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}

#[test]
fn a_frame_is_seen_in_place() {
    let mut scanner = scanner();
    let two = [GET, GET].concat();
    let command = scanner.scan(&two).unwrap().unwrap();
    assert_eq!(command.frame(), GET);
    assert_eq!(command.frame().as_ptr(), two.as_ptr());
    assert_eq!(command.consumed(), GET.len());
    assert_eq!(command.args().collect::<Vec<_>>(), [&b"GET"[..], b"user:42"]);
    assert_eq!(command.get(2), None);
}

#[test]
fn an_inline_command_becomes_the_array_redis_would_make() {
    let mut scanner = scanner();
    let command = scanner.scan(b"get 'user:42'\r\nPING\r\n").unwrap().unwrap();
    assert_eq!(command.frame(), b"*2\r\n$3\r\nget\r\n$7\r\nuser:42\r\n");
    assert_eq!(command.arg(1), b"user:42");
    assert_eq!(command.consumed(), 15);
}

#[test]
fn nothing_to_do_is_consumed_and_not_forwarded() {
    let inputs: [&[u8]; 6] = [b"\r\n", b"\n", b"  \r\n", b"*0\r\n", b"*-1\r\n", b"*-77\r\n"];
    for input in inputs {
        let mut scanner = scanner();
        let command = scanner.scan(input).unwrap().unwrap();
        assert!(command.is_empty());
        assert_eq!((command.consumed(), command.frame()), (input.len(), &b""[..]));
    }
}

#[test]
fn what_parsers_might_read_differently_is_refused() {
    use ProtocolError::*;
    let cases: [(&[u8], ProtocolError); 18] = [
        (b"*a\r\n", InvalidMultibulkLength),
        (b"*\r\n", InvalidMultibulkLength),
        (b"*01\r\n", InvalidMultibulkLength),
        (b"*+1\r\n", InvalidMultibulkLength),
        (b"*-0\r\n", InvalidMultibulkLength),
        (b"*1048577\r\n", InvalidMultibulkLength),
        (b"*1\rX", InvalidMultibulkLength),
        (b"*1\r\n$003\r\nGET\r\n", InvalidBulkLength),
        (b"*1\r\n$+3\r\nGET\r\n", InvalidBulkLength),
        (b"*1\r\n$-1\r\n", InvalidBulkLength),
        (b"*1\r\n$-0\r\n\r\n", InvalidBulkLength),
        (b"*1\r\n$536870913\r\n", InvalidBulkLength),
        (b"*1\r\n$3\rXGET\r\n", InvalidBulkLength),
        (b"*1\r\n$3\r\nGETXX", BulkWithoutLineEnd),
        (b"*1\r\n$3\r\nGET\n\n", BulkWithoutLineEnd),
        (b"*1\r\n!", ExpectedDollar(b'!')),
        (b"*1\r\n\r\n", ExpectedDollar(b'\r')),
        (b"get 'k\r\n", UnbalancedQuotes),
    ];
    for (input, expected) in cases {
        assert_eq!(error(input), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn http_is_recognised_in_both_forms() {
    let inputs: [&[u8]; 5] = [
        b"POST / HTTP/1.1\r\n",
        b"host: example.org\r\n",
        b"Host:\r\n",
        b"*1\r\n$4\r\npOsT\r\n",
        b"*1\r\n$5\r\nHOST:\r\n",
    ];
    for input in inputs {
        assert_eq!(error(input), ProtocolError::Http);
    }
    assert!(ProtocolError::Http.to_reply().is_empty());
}

#[test]
fn lines_are_refused_one_past_their_limit() {
    let limits = Limits { max_line: 8, ..Limits::default() };
    let cases: [(&[u8], &[u8], ProtocolError); 3] = [
        (b"12345678", b"123456789", ProtocolError::TooBigInline),
        (b"*1234567", b"*12345678", ProtocolError::TooBigMultibulkCount),
        (b"*1\r\n$1234567", b"*1\r\n$12345678", ProtocolError::TooBigBulkCount),
    ];
    for (fits, too_long, expected) in cases {
        assert!(RequestScanner::new(limits).scan(fits).unwrap().is_none());
        assert_eq!(RequestScanner::new(limits).scan(too_long).unwrap_err(), expected);
    }
    assert!(RequestScanner::new(limits).scan(b"12345678\n").unwrap().is_some());
    assert!(RequestScanner::new(limits).scan(b"123456789\n").is_err());
}

#[test]
fn counts_and_lengths_are_accepted_at_their_limit() {
    let limits = Limits { max_elements: 2, max_bulk: 7, ..Limits::default() };
    assert!(RequestScanner::new(limits).scan(GET).unwrap().is_some());
    let limits = Limits { max_bulk: 6, ..limits };
    assert_eq!(RequestScanner::new(limits).scan(GET).unwrap_err(), ProtocolError::InvalidBulkLength);
}

#[test]
fn a_claim_costs_nothing_until_its_bytes_arrive() {
    let mut scanner = scanner();
    assert!(scanner.scan(b"*1048576\r\n$536870912\r\nabc").unwrap().is_none());
    assert_eq!(scanner.spans.capacity(), 0);
    assert_eq!(scanner.wanted(), MOST_WANTED);
}

#[test]
fn a_giant_frame_does_not_keep_its_spans() {
    let mut scanner = scanner();
    let args: Vec<&[u8]> = vec![b"x"; 100_000];
    let mut giant = Vec::new();
    encode::command(&mut giant, args);
    assert_eq!(scanner.scan(&giant).unwrap().unwrap().len(), 100_000);
    assert_eq!(scanner.scan(GET).unwrap().unwrap().len(), 2);
    assert!(scanner.spans.capacity() <= KEPT_SPANS);
}

#[test]
fn wanted_is_never_more_than_what_is_missing() {
    for cut in 0..GET.len() {
        let mut scanner = scanner();
        assert!(scanner.scan(&GET[..cut]).unwrap().is_none());
        let wanted = scanner.wanted();
        assert!((1..=GET.len() - cut).contains(&wanted), "{cut}: {wanted}");
    }
}

#[test]
fn work_grows_with_bytes_and_not_with_reads() {
    let mut args: Vec<Vec<u8>> = vec![b"v".to_vec(); 2_000];
    args.push(vec![b'x'; 50_000]);
    let mut stream = Vec::new();
    encode::command(&mut stream, args.iter().map(Vec::as_slice).collect::<Vec<_>>());
    stream.extend([b' '; 30_000]);
    stream.extend(b"\r\n");
    work::take();
    let cuts: Vec<usize> = (1..stream.len()).collect();
    let (commands, error) = run(&stream, &cuts, Limits::default());
    assert_eq!((commands.len(), error), (2, None));
    let steps = work::take();
    assert!(steps <= 4 * stream.len(), "{steps} steps for {} bytes", stream.len());
}

/// Pieces of streams, whole and broken, so that concatenations reach every phase.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop::collection::vec(any::<u8>(), 0..12);
    let command = prop::collection::vec(arg, 1..5).prop_map(|args| {
        let mut out = Vec::new();
        encode::command(&mut out, args.iter().map(Vec::as_slice).collect::<Vec<_>>());
        out
    });
    prop_oneof![
        6 => command,
        2 => "[a-z '\"\\\\]{0,12}\r?\n".prop_map(String::into_bytes),
        1 => "[*$][-+0-9]{0,4}\r\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_commands(
        pieces in prop::collection::vec(piece(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = pieces.concat();
        let limits = Limits { max_line: 64, ..Limits::default() };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = run(&stream, &[], limits);
        prop_assert_eq!(&run(&stream, &cuts, limits), &whole);
        prop_assert_eq!(&run(&stream, &(1..stream.len()).collect::<Vec<_>>(), limits), &whole);
    }

    #[test]
    fn what_is_encoded_is_found(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8)) {
        let views: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let mut frame = Vec::new();
        encode::command(&mut frame, views.iter().copied());
        let mut scanner = scanner();
        let command = scanner.scan(&frame).unwrap().unwrap();
        prop_assert_eq!(command.frame(), &frame[..]);
        prop_assert_eq!(command.args().collect::<Vec<_>>(), views);
    }
}
