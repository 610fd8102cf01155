//! The words of a command that was kept as bytes.

use std::ops::Range;

use failsoft_resp::reply::{self, Head};

/// The words of a command, as slices of its frame.
///
/// A command is an array of bulk strings, so it is read like a reply.
#[derive(Default)]
pub(crate) struct Words<'f>(Vec<&'f [u8]>);

impl<'f> Words<'f> {
    /// The words of a whole, canonical frame.
    pub(crate) fn of(frame: &'f [u8]) -> Self {
        Self(reply::elements(frame).filter_map(word).collect())
    }

    /// Where word `index` lies in `frame`, of which these are the words.
    pub(crate) fn span(&self, frame: &[u8], index: usize) -> Range<u32> {
        let word = self.0[index];
        let start = (word.as_ptr() as usize - frame.as_ptr() as usize) as u32;
        start..start + word.len() as u32
    }

    /// The words, the command's name first.
    pub(crate) fn as_slices(&self) -> &[&'f [u8]] {
        &self.0
    }
}

fn word(element: &[u8]) -> Option<&[u8]> {
    match reply::head(element) {
        Some(Head::Bulk(bytes)) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_out_of_the_frame() {
        let frame = b"*3\r\n$4\r\nHGET\r\n$1\r\nk\r\n$0\r\n\r\n";
        let words = Words::of(frame);
        assert_eq!(words.as_slices(), [&b"HGET"[..], b"k", b""]);
        assert_eq!(words.span(frame, 1), 18..19);
    }
}
