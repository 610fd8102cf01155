//! From server bytes to one reply at a time, by length only.
//!
//! A reply is forwarded as it came, so all that matters is where it ends. All types of RESP2 and RESP3 are known; an
//! attribute belongs to the frame of the value it precedes; the streamed forms (`$?`, `*?`), which no Redis sends, are
//! refused. A push inside another reply is none of its elements: Redis 7.0 sends one there when a transaction publishes to
//! the client's own subscription. Nesting is a counted stack of bounded height, never recursion, so that a hostile server
//! cannot overflow ours.
//!
//! After an error the connection must be closed, and every request waiting on it answered as having no reply.

mod elements;
mod error;
mod head;
mod item;
#[cfg(test)]
mod tests;

pub use elements::{Elements, elements};
pub use error::ReplyError;
pub use head::{Aggregate, Head, error_word, head, is_push};

use crate::limits::Limits;
use item::{Item, Opened, item};

/// Finds replies in a server's bytes, one frame at a time, resumably.
#[derive(Debug)]
pub struct ReplyScanner {
    limits: Limits,
    place: Place,
    /// Values still missing from each enclosing aggregate, outermost first.
    outer: Vec<usize>,
}

/// Where in the frame the next value begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    /// Values missing from the innermost aggregate (1 outside of any).
    left: usize,
    pending: Pending,
}

/// What is known of a value that is not all there.
#[derive(Clone, Copy, Debug)]
enum Pending {
    /// Its first line has been searched up to here.
    Line { searched: usize },
    /// It ends here, line end included.
    Payload { end: usize },
}

const START: Place = Place { at: 0, left: 1, pending: Pending::Line { searched: 0 } };

impl ReplyScanner {
    /// A scanner at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { limits, place: START, outer: Vec::new() }
    }

    /// Looks for the reply that begins at `buf[0]` and returns its length.
    ///
    /// Until a length is returned, each call must show the same bytes again with more behind them; afterwards `buf` must
    /// begin that many bytes later.
    ///
    /// # Errors
    /// A [`ReplyError`] is final: the server's stream cannot be followed any more.
    #[inline]
    pub fn scan(&mut self, buf: &[u8]) -> Result<Option<usize>, ReplyError> {
        let found = self.advance(buf, self.place)?;
        if found.is_some() {
            self.place = START;
        }
        Ok(found)
    }

    #[inline]
    fn advance(&mut self, buf: &[u8], mut place: Place) -> Result<Option<usize>, ReplyError> {
        loop {
            if !place.pass_bulks(buf, &self.limits) {
                let found = match place.pending {
                    Pending::Line { searched } => item(buf, place.at, searched, &self.limits)?,
                    Pending::Payload { end } => item::payload(buf, end)?,
                };
                match found {
                    Item::Whole(end) => place.pass(end),
                    Item::Opens(opened) => {
                        place.left = self.enter(&opened, place.left)?;
                        place.move_to(opened.next);
                    }
                    Item::Partial(pending) => {
                        self.place = Place { pending, ..place };
                        return Ok(None);
                    }
                }
            }
            while place.left == 0 {
                match self.outer.pop() {
                    Some(left) => place.left = left,
                    None => return Ok(Some(place.at)),
                }
            }
        }
    }

    /// Goes one level down; returns how many values are missing there.
    fn enter(&mut self, opened: &Opened, left: usize) -> Result<usize, ReplyError> {
        let nested = !self.outer.is_empty();
        let left_here = match opened.kind {
            Aggregate::Attribute => left,
            Aggregate::Push if nested => left,
            Aggregate::Array | Aggregate::Map | Aggregate::Set | Aggregate::Push => left - 1,
        };
        if self.outer.len() >= self.limits.max_depth {
            return Err(ReplyError::TooDeep);
        }
        self.outer.push(left_here);
        Ok(opened.values)
    }
}

impl Place {
    /// Steps over the complete bulk strings from here on; whether that finished the innermost aggregate.
    ///
    /// Most of what Redis sends is bulk strings, one or a hundred in a row, so they get a loop of their own.
    #[inline(always)]
    fn pass_bulks(&mut self, buf: &[u8], limits: &Limits) -> bool {
        if !matches!(self.pending, Pending::Line { searched } if searched == self.at) {
            return false;
        }
        let (mut at, mut left) = (self.at, self.left);
        while let Some(end) = item::whole_bulk(buf, at, limits) {
            at = end;
            left -= 1;
            if left == 0 {
                break;
            }
        }
        self.left = left;
        self.move_to(at);
        left == 0
    }

    #[inline]
    fn pass(&mut self, end: usize) {
        self.left -= 1;
        self.move_to(end);
    }

    #[inline]
    fn move_to(&mut self, at: usize) {
        self.at = at;
        self.pending = Pending::Line { searched: at };
    }
}
