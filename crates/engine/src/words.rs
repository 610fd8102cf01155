//! The words of a command that was kept as bytes.

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
        assert_eq!(Words::of(frame).as_slices(), [&b"HGET"[..], b"k", b""]);
    }
}
