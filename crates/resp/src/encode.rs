//! Writes the frames failsoft makes itself: its own replies, and commands of its own to a node.
//!
//! Everything appends to a `Vec<u8>` the caller owns, so that a reply costs no allocation once the buffer is warm. Text
//! that must fit on a line has its CR and LF turned into spaces, as Redis does: a message can never end its own frame.
//! Values that exist only in RESP3 fall back to what Redis sends a RESP2 client.

/// The protocol version a connection speaks; RESP2 until `HELLO 3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// What every client understands.
    #[default]
    Resp2,
    /// Adds maps, sets, doubles, booleans, pushes and a null of its own.
    Resp3,
}

/// `+text`
pub fn simple(out: &mut Vec<u8>, text: &str) {
    line(out, b'+', text.as_bytes());
}

/// `-message`; `message` begins with the error's code word.
pub fn error(out: &mut Vec<u8>, message: &str) {
    line(out, b'-', message.as_bytes());
}

/// `:value`
pub fn integer(out: &mut Vec<u8>, value: i64) {
    number_line(out, b':', value);
}

/// `$length`, then the bytes.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    length_line(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A text of no particular format: `$length`, or in RESP3 a verbatim string that says so.
pub fn text(out: &mut Vec<u8>, text: &str, protocol: Protocol) {
    const FORMAT: &[u8] = b"txt:";
    match protocol {
        Protocol::Resp2 => bulk(out, text.as_bytes()),
        Protocol::Resp3 => {
            length_line(out, b'=', FORMAT.len() + text.len());
            out.extend_from_slice(FORMAT);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The absent value: `$-1` or `_`.
pub fn nil(out: &mut Vec<u8>, protocol: Protocol) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"$-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// The absent array (a timed-out blocking pop, an aborted EXEC): `*-1` or `_`.
pub fn nil_array(out: &mut Vec<u8>, protocol: Protocol) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"*-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// Begins an array of `len` elements, which the caller writes next.
pub fn array_header(out: &mut Vec<u8>, len: usize) {
    length_line(out, b'*', len);
}

/// Begins a map of `pairs` pairs: in RESP2 an array of twice as many elements.
pub fn map_header(out: &mut Vec<u8>, pairs: usize, protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => length_line(out, b'*', pairs * 2),
        Protocol::Resp3 => length_line(out, b'%', pairs),
    }
}

/// Begins a set of `len` elements: in RESP2 an array.
pub fn set_header(out: &mut Vec<u8>, len: usize, protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => length_line(out, b'*', len),
        Protocol::Resp3 => length_line(out, b'~', len),
    }
}

/// Begins an out-of-band message of `len` elements: in RESP2 an array, as for a subscriber.
pub fn push_header(out: &mut Vec<u8>, len: usize, protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => length_line(out, b'*', len),
        Protocol::Resp3 => length_line(out, b'>', len),
    }
}

/// A truth value: `:1` and `:0`, or `#t` and `#f`.
pub fn boolean(out: &mut Vec<u8>, value: bool, protocol: Protocol) {
    out.extend_from_slice(match (protocol, value) {
        (Protocol::Resp2, true) => b":1\r\n",
        (Protocol::Resp2, false) => b":0\r\n",
        (Protocol::Resp3, true) => b"#t\r\n",
        (Protocol::Resp3, false) => b"#f\r\n",
    });
}

/// A command, as the array of bulk strings every Redis reads.
pub fn command<'a, I>(out: &mut Vec<u8>, args: I)
where
    I: IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
{
    let args = args.into_iter();
    array_header(out, args.len());
    for arg in args {
        bulk(out, arg);
    }
}

fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend(text.iter().map(|&byte| match byte {
        b'\r' | b'\n' => b' ',
        other => other,
    }));
    out.extend_from_slice(b"\r\n");
}

fn length_line(out: &mut Vec<u8>, kind: u8, len: usize) {
    number_line(out, kind, len);
}

fn number_line(out: &mut Vec<u8>, kind: u8, number: impl itoa::Integer) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn each_kind_has_its_bytes() {
        assert_eq!(written(|o| simple(o, "OK")), "+OK\r\n");
        assert_eq!(written(|o| error(o, "ERR no")), "-ERR no\r\n");
        assert_eq!(written(|o| integer(o, -42)), ":-42\r\n");
        assert_eq!(written(|o| bulk(o, b"")), "$0\r\n\r\n");
        assert_eq!(written(|o| command(o, [&b"GET"[..], b"k"])), "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    }

    #[test]
    fn a_message_cannot_end_its_own_line() {
        assert_eq!(written(|o| error(o, "ERR a\r\n+OK")), "-ERR a  +OK\r\n");
    }

    #[test]
    fn what_resp2_lacks_becomes_what_redis_sends_instead() {
        use Protocol::{Resp2, Resp3};
        for (protocol, expected) in [
            (Resp2, "$-1\r\n*-1\r\n*6\r\n*3\r\n*3\r\n:1\r\n:0\r\n$2\r\nhi\r\n"),
            (Resp3, "_\r\n_\r\n%3\r\n~3\r\n>3\r\n#t\r\n#f\r\n=6\r\ntxt:hi\r\n"),
        ] {
            let all = written(|o| {
                nil(o, protocol);
                nil_array(o, protocol);
                map_header(o, 3, protocol);
                set_header(o, 3, protocol);
                push_header(o, 3, protocol);
                boolean(o, true, protocol);
                boolean(o, false, protocol);
                text(o, "hi", protocol);
            });
            assert_eq!(all, expected);
        }
    }
}
