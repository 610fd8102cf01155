//! Walks the children of one reply, frame by frame.
//!
//! For the few places that must look inside (the parts of an MGET, a CLUSTER SLOTS table, a push message) without building
//! values: each child is a slice of the parent, and may be walked in turn.

use super::ReplyScanner;
use super::head::{Aggregate, count, is_push};
use crate::limits::Limits;

/// The parent has been measured already; its children are bounded by its bytes.
const MEASURED: Limits = Limits {
    max_bulk: usize::MAX >> 2,
    max_elements: usize::MAX >> 2,
    max_depth: usize::MAX,
    max_line: usize::MAX >> 2,
};

/// The child frames of a reply, in order. A map gives key, value, key, value.
#[derive(Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
    scanner: ReplyScanner,
}

/// The children of the array, set, map or push in `frame`; none for any other reply.
///
/// An attribute in front of the reply is stepped over; one in front of a child belongs to that child. A push among the
/// children is none of them.
pub fn elements(frame: &[u8]) -> Elements<'_> {
    let (rest, left) = children(frame).unwrap_or((&[], 0));
    Elements { rest, left, scanner: ReplyScanner::new(MEASURED) }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.left == 0 {
                return None;
            }
            let Ok(Some(len)) = self.scanner.scan(self.rest) else {
                self.left = 0;
                return None;
            };
            let (element, rest) = self.rest.split_at(len);
            self.rest = rest;
            if !is_push(element) {
                self.left -= 1;
                return Some(element);
            }
        }
    }
}

/// `frame` without the attributes before its value.
#[inline]
pub(super) fn after_attributes(frame: &[u8]) -> Option<&[u8]> {
    match frame.first() {
        Some(b'|') => skip_attributes(frame),
        _ => Some(frame),
    }
}

#[cold]
fn skip_attributes(mut frame: &[u8]) -> Option<&[u8]> {
    while frame.first() == Some(&b'|') {
        let mut pairs = pairs_of(frame)?;
        while pairs.next().is_some() {}
        frame = pairs.rest;
    }
    Some(frame)
}

fn pairs_of(attribute: &[u8]) -> Option<Elements<'_>> {
    let (rest, left) = body(attribute, Aggregate::Attribute)?;
    Some(Elements { rest, left, scanner: ReplyScanner::new(MEASURED) })
}

fn children(frame: &[u8]) -> Option<(&[u8], usize)> {
    let frame = after_attributes(frame)?;
    body(frame, Aggregate::of(*frame.first()?)?)
}

fn body(frame: &[u8], kind: Aggregate) -> Option<(&[u8], usize)> {
    let (len, start) = count(frame)?;
    Some((frame.get(start..)?, len?.checked_mul(kind.values_per_element())?))
}
