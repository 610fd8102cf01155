//! Replies as the values that were asked for; a reply of another kind is an error, never a panic.

use bytes::Bytes;
use failsoft_resp::reply::{Head, head};

use super::Error;

/// What a reply is.
///
/// # Errors
/// It is an error.
pub(crate) fn read(reply: &[u8]) -> Result<Head<'_>, Error> {
    match head(reply) {
        Some(Head::Error(line)) => Err(Error::of_reply(line)),
        Some(head) => Ok(head),
        None => Err(Error::astray()),
    }
}

/// The bytes of a string, if there is one.
pub(crate) fn bytes(reply: &[u8]) -> Result<Option<Bytes>, Error> {
    match read(reply)? {
        Head::Nil => Ok(None),
        Head::Bulk(bytes) => Ok(Some(Bytes::copy_from_slice(bytes))),
        _ => Err(Error::astray()),
    }
}

/// A whole number.
pub(crate) fn integer(reply: &[u8]) -> Result<i64, Error> {
    match read(reply)? {
        Head::Integer(number) => Ok(number),
        _ => Err(Error::astray()),
    }
}

/// That it was done, whatever else was said.
pub(crate) fn done(reply: &[u8]) -> Result<(), Error> {
    read(reply).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_value_an_absence_and_an_error_are_three_things() {
        assert_eq!(bytes(b"$2\r\nhi\r\n").unwrap().as_deref(), Some(&b"hi"[..]));
        assert_eq!(bytes(b"$-1\r\n").unwrap(), None);
        assert!(matches!(bytes(b"-WRONGTYPE Operation\r\n"), Err(Error::Redis(_))));
        assert!(matches!(bytes(b":1\r\n"), Err(Error::Redis(_))));
        assert_eq!(integer(b":7\r\n").unwrap(), 7);
        assert!(integer(b"+OK\r\n").is_err() && done(b"+OK\r\n").is_ok() && done(b"").is_err());
    }
}
