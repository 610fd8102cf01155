//! Any server bytes, cut anywhere: same frames, views that do not panic, children that fill their parent.
//!
//! The first byte chooses the size of the pieces the rest arrives in.

#![no_main]

use failsoft_resp::reply::{elements, error_word, head, is_push};
use failsoft_resp::{Head, Limits, ReplyError, ReplyScanner};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { max_bulk: 1 << 16, max_elements: 1 << 10, max_depth: 8, max_line: 256 };

fuzz_target!(|data: &[u8]| {
    let Some((&piece, stream)) = data.split_first() else {
        return;
    };
    let whole = run(stream, stream.len().max(1));
    let pieces = run(stream, usize::from(piece) + 1);
    assert_eq!(whole, pieces);
    let _ = (head(stream), is_push(stream), elements(stream).count());
});

fn run(stream: &[u8], piece: usize) -> (Vec<&[u8]>, Option<ReplyError>) {
    let mut scanner = ReplyScanner::new(LIMITS);
    let (mut start, mut end, mut frames) = (0, 0, Vec::new());
    loop {
        match scanner.scan(&stream[start..end]) {
            Ok(Some(len)) => {
                let frame = &stream[start..start + len];
                examine(frame);
                frames.push(frame);
                start += len;
            }
            Ok(None) if end == stream.len() => return (frames, None),
            Ok(None) => end = stream.len().min(end + piece),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn examine(frame: &[u8]) {
    match head(frame).expect("a frame has a head") {
        Head::Error(message) => assert!(error_word(message).len() <= message.len()),
        Head::Aggregate { .. } | Head::Push { .. } => {
            let children: Vec<&[u8]> = elements(frame).collect();
            // A push among them is skipped.
            assert!(children.iter().map(|child| child.len()).sum::<usize>() < frame.len());
            children.into_iter().for_each(examine);
        }
        Head::Simple(_)
        | Head::Integer(_)
        | Head::Nil
        | Head::Bulk(_)
        | Head::Double(_)
        | Head::Boolean(_)
        | Head::BigNumber(_) => assert_eq!(elements(frame).count(), 0),
    }
}
