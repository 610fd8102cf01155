//! From client bytes to one command at a time.
//!
//! What passes here is forwarded raw on a connection that other clients share, so the rule is stricter than "what Redis
//! accepts": it is "what every parser reads the same way". Lengths are canonical, CR is followed by LF, every bulk ends in
//! CR LF (Redis skips those bytes unseen). What Redis refuses is refused with its own words, as soon as it is certain:
//! Redis waits for a line's end before it complains of a line's first byte; we need not.
//!
//! The scanner owns its place in the frame, so a frame arriving in pieces is never read again from its start. Inline
//! commands are rewritten as the array Redis would have made of them. After an error the connection must be closed: where
//! the next frame begins is unknown.

mod command;
mod error;
mod inline;
#[cfg(test)]
mod tests;

pub use command::{Args, Command};
pub use error::ProtocolError;

use memchr::memchr;

use crate::encode;
use crate::limits::Limits;
use crate::line::{self, BadHeader, Header};
use crate::work;
use command::Span;

/// Most that [`RequestScanner::wanted`] asks for: a claim never sizes a read beyond this.
const MOST_WANTED: usize = 64 << 10;
/// The shortest argument on the wire, `$0\r\n\r\n`.
const SHORTEST_ARG: usize = 6;
/// Spans kept between frames; what a larger frame needed is given back.
const KEPT_SPANS: usize = 1024;
/// Bytes of inline rewriting kept between frames.
const KEPT_INLINE: usize = 4096;

/// Finds commands in a client's bytes, one frame at a time, resumably.
#[derive(Debug)]
pub struct RequestScanner {
    limits: Limits,
    phase: Phase,
    spans: Vec<Span>,
    inline: Vec<u8>,
    wanted: usize,
}

/// Where in the frame the next byte belongs. Offsets are from the frame's first byte.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Start,
    Inline { searched: usize },
    Count { searched: usize },
    Arg { at: usize, left: usize, searched: usize },
    Payload { at: usize, left: usize, len: usize },
}

/// A whole frame, by its length in the buffer.
enum Found {
    Array(usize),
    Inline(usize),
    Nothing(usize),
}

impl RequestScanner {
    /// A scanner at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { limits, phase: Phase::Start, spans: Vec::new(), inline: Vec::new(), wanted: 1 }
    }

    /// Changes the limits from the next header on; a client that has yet to authenticate deserves small ones.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Looks for the command that begins at `buf[0]`.
    ///
    /// Until a command is returned, each call must show the same bytes again with more behind them; afterwards `buf` must
    /// begin [`Command::consumed`] bytes later. `None` means that at least [`wanted`](Self::wanted) more bytes are needed.
    ///
    /// # Errors
    /// A [`ProtocolError`] is final: send its reply and close.
    #[inline]
    pub fn scan<'a>(&'a mut self, buf: &'a [u8]) -> Result<Option<Command<'a>>, ProtocolError> {
        let Some(found) = self.advance(buf)? else {
            return Ok(None);
        };
        self.phase = Phase::Start;
        let (frame, consumed) = match found {
            Found::Array(end) => (&buf[..end], end),
            Found::Inline(end) => (&self.inline[..], end),
            Found::Nothing(end) => (&buf[..0], end),
        };
        let command = Command::new(frame, &self.spans, consumed);
        if command.names_http() {
            return Err(ProtocolError::Http);
        }
        Ok(Some(command))
    }

    /// How many more bytes the frame needs at the very least, at most 64 KiB: a read may be sized by it.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    #[inline]
    fn advance(&mut self, buf: &[u8]) -> Result<Option<Found>, ProtocolError> {
        match self.phase {
            Phase::Start => self.begin(buf),
            Phase::Inline { searched } => self.inline_line(buf, searched),
            Phase::Count { searched } => self.count(buf, searched),
            Phase::Arg { at, left, searched } => self.args(buf, at, left, searched),
            Phase::Payload { at, left, len } => match self.payload(buf, at, left, len)? {
                Some(next) => self.args(buf, next, left - 1, next),
                None => Ok(None),
            },
        }
    }

    #[inline]
    fn begin(&mut self, buf: &[u8]) -> Result<Option<Found>, ProtocolError> {
        self.spans.clear();
        if self.spans.capacity() > KEPT_SPANS {
            self.spans.shrink_to(KEPT_SPANS);
        }
        match buf.first() {
            Some(b'*') => self.count(buf, 0),
            Some(_) => self.inline_line(buf, 0),
            None => self.wait(Phase::Start, 1),
        }
    }

    #[inline]
    fn count(&mut self, buf: &[u8], searched: usize) -> Result<Option<Found>, ProtocolError> {
        let (count, next) = match line::header(buf, 0, searched, self.limits.max_line) {
            Ok(Header::Number(count, next)) => (count, next),
            Ok(Header::More(searched)) => return self.wait(Phase::Count { searched }, 1),
            Err(BadHeader::TooLong) => return Err(ProtocolError::TooBigMultibulkCount),
            Err(BadHeader::NotCanonical) => return Err(ProtocolError::InvalidMultibulkLength),
        };
        match usize::try_from(count) {
            Ok(0) | Err(_) => Ok(Some(Found::Nothing(next))),
            Ok(count) if count > self.limits.max_elements => Err(ProtocolError::InvalidMultibulkLength),
            Ok(count) => self.args(buf, next, count, next),
        }
    }

    #[inline]
    fn args(
        &mut self,
        buf: &[u8],
        mut at: usize,
        mut left: usize,
        mut searched: usize,
    ) -> Result<Option<Found>, ProtocolError> {
        while left > 0 {
            let (len, start) = match self.arg_header(buf, at, searched)? {
                Header::Number(len, start) => (len as usize, start),
                Header::More(searched) => {
                    let missing = (left * SHORTEST_ARG).saturating_sub(buf.len() - at);
                    return self.wait(Phase::Arg { at, left, searched }, missing);
                }
            };
            let Some(next) = self.payload(buf, start, left, len)? else {
                return Ok(None);
            };
            (at, searched) = (next, next);
            left -= 1;
        }
        Ok(Some(Found::Array(at)))
    }

    /// The header of the argument at `at`; a number it returns is a permitted length.
    #[inline]
    fn arg_header(&self, buf: &[u8], at: usize, searched: usize) -> Result<Header, ProtocolError> {
        match buf.get(at) {
            Some(b'$') => {}
            Some(&other) => return Err(ProtocolError::ExpectedDollar(other)),
            None => return Ok(Header::More(at)),
        }
        match line::header(buf, at, searched, self.limits.max_line) {
            Ok(Header::Number(len, _)) if len < 0 || len as u64 > self.limits.max_bulk as u64 => {
                Err(ProtocolError::InvalidBulkLength)
            }
            Ok(header) => Ok(header),
            Err(BadHeader::TooLong) => Err(ProtocolError::TooBigBulkCount),
            Err(BadHeader::NotCanonical) => Err(ProtocolError::InvalidBulkLength),
        }
    }

    /// Takes the argument of `len` bytes at `at`, if it is all there, and says where the next one begins.
    #[inline]
    fn payload(&mut self, buf: &[u8], at: usize, left: usize, len: usize) -> Result<Option<usize>, ProtocolError> {
        let end = at + len;
        let Some(line_end) = buf.get(end..end + 2) else {
            let missing = end + 2 - buf.len() + (left - 1) * SHORTEST_ARG;
            self.wait(Phase::Payload { at, left, len }, missing)?;
            return Ok(None);
        };
        work::examined(2);
        if line_end != b"\r\n" {
            return Err(ProtocolError::BulkWithoutLineEnd);
        }
        self.spans.push(Span { at, len });
        Ok(Some(end + 2))
    }

    #[cold]
    fn inline_line(&mut self, buf: &[u8], searched: usize) -> Result<Option<Found>, ProtocolError> {
        let window = &buf[searched..buf.len().min(self.limits.max_line.saturating_add(1))];
        work::examined(window.len());
        let Some(end) = memchr(b'\n', window).map(|found| searched + found) else {
            if buf.len() > self.limits.max_line {
                return Err(ProtocolError::TooBigInline);
            }
            return self.wait(Phase::Inline { searched: buf.len() }, 1);
        };
        let line = &buf[..end];
        let args = inline::split(line.strip_suffix(b"\r").unwrap_or(line))?;
        if args.is_empty() {
            return Ok(Some(Found::Nothing(end + 1)));
        }
        self.rewrite(&args);
        Ok(Some(Found::Inline(end + 1)))
    }

    /// Writes an inline command's arguments as the canonical array and notes where each lies in it.
    fn rewrite(&mut self, args: &[Vec<u8>]) {
        self.inline.clear();
        self.inline.shrink_to(KEPT_INLINE);
        encode::array_header(&mut self.inline, args.len());
        for arg in args {
            encode::bulk(&mut self.inline, arg);
            let at = self.inline.len() - 2 - arg.len();
            self.spans.push(Span { at, len: arg.len() });
        }
    }

    #[cold]
    fn wait(&mut self, phase: Phase, missing: usize) -> Result<Option<Found>, ProtocolError> {
        self.phase = phase;
        self.wanted = missing.clamp(1, MOST_WANTED);
        Ok(None)
    }
}
