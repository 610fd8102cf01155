//! A command seen in the buffer it arrived in.
//!
//! Nothing is copied: the frame and each argument are slices, and the table of where the arguments lie belongs to the
//! scanner, which uses it again for the next frame.

use std::ops::{Index, Range};

/// Where one argument lies in its frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) len: usize,
}

/// One whole command; argument 0 is its name.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    frame: &'a [u8],
    spans: &'a [Span],
    consumed: usize,
}

impl<'a> Command<'a> {
    #[inline]
    pub(super) fn new(frame: &'a [u8], spans: &'a [Span], consumed: usize) -> Self {
        Self { frame, spans, consumed }
    }

    /// The canonical array of bulk strings to forward; empty if there is nothing to do.
    #[inline]
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// How many bytes of the scanned buffer this command took.
    #[inline]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// The number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether this was an empty line, `*0` or `*-1`: to be consumed, and not answered.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `index`.
    ///
    /// # Panics
    /// If there are not that many; see [`get`](Self::get).
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.frame[span.at..][..span.len]
    }

    /// Where argument `index` lies in the [`frame`](Self::frame).
    ///
    /// # Panics
    /// If there are not that many arguments.
    #[inline]
    pub fn span(&self, index: usize) -> Range<usize> {
        let span = self.spans[index];
        span.at..span.at + span.len
    }

    /// Argument `index`, if there are that many.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.len()).then(|| self.arg(index))
    }

    /// All arguments in order.
    #[inline]
    pub fn args(&self) -> Args<'a> {
        Args { command: *self, next: 0 }
    }

    /// Whether the first word is one that only HTTP says; Redis closes on it so that a browser cannot be made to talk to it.
    #[inline]
    pub(super) fn names_http(&self) -> bool {
        match self.spans {
            [Span { len: 4, .. }, ..] => self.arg(0).eq_ignore_ascii_case(b"post"),
            [Span { len: 5, .. }, ..] => self.arg(0).eq_ignore_ascii_case(b"host:"),
            _ => false,
        }
    }
}

impl Index<usize> for Command<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.arg(index)
    }
}

/// The arguments of a [`Command`], in order.
#[derive(Clone, Debug)]
pub struct Args<'a> {
    command: Command<'a>,
    next: usize,
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let arg = self.command.get(self.next)?;
        self.next += 1;
        Some(arg)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.command.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Args<'_> {}
