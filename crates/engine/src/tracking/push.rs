//! What comes on a tracking connection: answers to what was asked, and news that nobody asked for.

use failsoft_core::refusal::Refusal;
use failsoft_resp::reply::{self, Elements, Head};

/// One frame.
pub(super) enum Frame<'f> {
    /// It is done.
    Done,
    /// The sign of life that was asked for.
    Alive,
    /// It is refused.
    Refused(Refusal),
    /// These keys have changed.
    Changed(Keys<'f>),
    /// Everything has changed.
    AllChanged,
    /// News of another kind: they concern nobody here.
    OtherNews,
    /// Nothing that was asked for.
    Unexpected,
}

/// The keys that one message names.
pub(super) struct Keys<'f>(Elements<'f>);

impl<'f> Iterator for Keys<'f> {
    type Item = &'f [u8];

    fn next(&mut self) -> Option<&'f [u8]> {
        self.0.by_ref().find_map(|key| match reply::head(key) {
            Some(Head::Bulk(key)) => Some(key),
            _ => None,
        })
    }
}

/// What `frame`, a whole one, says.
pub(super) fn read(frame: &[u8]) -> Frame<'_> {
    match reply::head(frame) {
        Some(Head::Push { .. }) => news(frame),
        Some(Head::Error(words)) => Frame::Refused(Refusal::from_error(words)),
        Some(Head::Simple(b"OK")) => Frame::Done,
        Some(Head::Simple(b"PONG")) => Frame::Alive,
        _ => Frame::Unexpected,
    }
}

fn news(frame: &[u8]) -> Frame<'_> {
    let mut elements = reply::elements(frame);
    match elements.next().and_then(reply::head) {
        Some(Head::Bulk(b"invalidate")) => {}
        _ => return Frame::OtherNews,
    }
    let Some(keys) = elements.next() else {
        return Frame::Unexpected;
    };
    match reply::head(keys) {
        Some(Head::Nil) => Frame::AllChanged,
        Some(Head::Aggregate { .. }) => Frame::Changed(Keys(reply::elements(keys))),
        _ => Frame::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_have_changed_are_named_one_by_one() {
        let frame = b">2\r\n$10\r\ninvalidate\r\n*2\r\n$6\r\nuser:1\r\n$6\r\nuser:2\r\n";
        let Frame::Changed(keys) = read(frame) else { panic!("keys have changed") };
        assert_eq!(keys.collect::<Vec<_>>(), [b"user:1", b"user:2"]);
    }

    #[test]
    fn a_null_means_that_everything_has_changed() {
        assert!(matches!(read(b">2\r\n$10\r\ninvalidate\r\n_\r\n"), Frame::AllChanged));
        assert!(matches!(read(b">2\r\n$10\r\ninvalidate\r\n*-1\r\n"), Frame::AllChanged));
    }

    #[test]
    fn what_cannot_be_understood_is_not_taken_for_something_else() {
        assert!(matches!(read(b">2\r\n$10\r\ninvalidate\r\n:1\r\n"), Frame::Unexpected));
        assert!(matches!(read(b">1\r\n$10\r\ninvalidate\r\n"), Frame::Unexpected));
        assert!(matches!(read(b"$4\r\nPONG\r\n"), Frame::Unexpected));
        assert!(matches!(read(b">2\r\n$7\r\nmessage\r\n$1\r\nx\r\n"), Frame::OtherNews));
        assert!(matches!(read(b"-NOPERM no\r\n"), Frame::Refused(Refusal::NoPermission)));
    }
}
