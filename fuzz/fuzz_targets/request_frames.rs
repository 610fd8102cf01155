//! Any client bytes, cut anywhere: same commands, canonical frames, no panic.
//!
//! The first byte chooses the size of the pieces the rest arrives in. Whatever is found must, written canonically, be
//! the frame itself: what is forwarded raw is what every parser reads the same way.

#![no_main]

use failsoft_resp::commands::{class_of, keys, lookup};
use failsoft_resp::{Command, Limits, ProtocolError, RequestScanner, encode};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { max_bulk: 1 << 16, max_elements: 1 << 10, max_depth: 8, max_line: 256 };

fuzz_target!(|data: &[u8]| {
    let Some((&piece, stream)) = data.split_first() else {
        return;
    };
    let whole = run(stream, stream.len().max(1));
    let pieces = run(stream, usize::from(piece) + 1);
    assert_eq!(whole, pieces);
});

fn run(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<ProtocolError>) {
    let mut scanner = RequestScanner::new(LIMITS);
    let (mut start, mut end, mut frames) = (0, 0, Vec::new());
    loop {
        match scanner.scan(&stream[start..end]) {
            Ok(Some(command)) => {
                examine(&command);
                frames.push(command.frame().to_vec());
                start += command.consumed();
            }
            Ok(None) if end == stream.len() => return (frames, None),
            Ok(None) => end = stream.len().min(end + piece),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn examine(command: &Command<'_>) {
    if command.is_empty() {
        assert!(command.frame().is_empty() && command.consumed() > 0);
        return;
    }
    let mut canonical = Vec::new();
    encode::command(&mut canonical, command.args());
    assert_eq!(canonical, command.frame());
    if let Some(spec) = lookup(command.arg(0), command.get(1)) {
        let _ = class_of(spec, command);
        assert!(keys(spec, command).all(|key| (1..command.len()).contains(&key.index)));
    }
}
