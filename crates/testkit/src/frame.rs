//! Where a RESP request or reply ends, for the tools that stand between or opposite.
//!
//! Deliberately not `failsoft-resp`: a tool that shares the parser it is meant to test shares its mistakes.
//! This one is small, trusts real servers, buffers whole frames, and remembers where it stopped.

use std::ops::Range;

/// The bytes are not RESP; what follows cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotResp;

/// Who wrote the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Arrays of bulk strings, or inline commands.
    Client,
    /// Any RESP2 or RESP3 type.
    Server,
}

/// Cuts a stream of bytes into whole frames.
#[derive(Debug)]
pub(crate) struct Framer {
    speaker: Speaker,
    buffer: Vec<u8>,
    /// Scanned so far of the frame at the front of `buffer`.
    scanned: usize,
    /// Elements still missing from that frame.
    missing: usize,
}

impl Framer {
    pub(crate) fn new(speaker: Speaker) -> Self {
        Self { speaker, buffer: Vec::new(), scanned: 0, missing: 1 }
    }

    /// Appends bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next whole frame, if there is one.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Vec<u8>>, NotResp> {
        while self.missing > 0 {
            let Some(element) = element(&self.buffer[self.scanned..], self.speaker)? else { return Ok(None) };
            self.scanned += element.length;
            self.missing = self.missing - 1 + element.brings;
        }
        let frame = self.buffer.drain(..self.scanned).collect();
        self.scanned = 0;
        self.missing = 1;
        Ok(Some(frame))
    }

    /// Takes whatever has not made a whole frame.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        self.scanned = 0;
        self.missing = 1;
        std::mem::take(&mut self.buffer)
    }
}

/// One element of a frame without the elements inside it.
struct Element {
    length: usize,
    /// How many elements must follow because of it.
    brings: usize,
}

fn element(bytes: &[u8], speaker: Speaker) -> Result<Option<Element>, NotResp> {
    let Some(line) = line(bytes) else { return Ok(None) };
    let header = line.end;
    let leaf = |length| Ok(Some(Element { length, brings: 0 }));
    let kind = bytes.first().copied().unwrap_or_default();
    let claim = || number(&bytes[1..line.end - 2]);
    match kind {
        b'$' | b'!' | b'=' => match usize::try_from(claim()?) {
            Err(_) => leaf(header),
            Ok(length) if bytes.len() < header + length + 2 => Ok(None),
            Ok(length) => leaf(header + length + 2),
        },
        b'*' | b'~' | b'>' => Ok(Some(Element { length: header, brings: claim()?.try_into().unwrap_or(0) })),
        b'%' => Ok(Some(Element { length: header, brings: pairs(claim()?) })),
        // An attribute precedes the element it belongs to.
        b'|' => Ok(Some(Element { length: header, brings: pairs(claim()?) + 1 })),
        b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => leaf(header),
        _ => match speaker {
            Speaker::Client => leaf(header),
            Speaker::Server => Err(NotResp),
        },
    }
}

fn pairs(claim: i64) -> usize {
    usize::try_from(claim).unwrap_or(0) * 2
}

/// The first line, its CR LF included.
fn line(bytes: &[u8]) -> Option<Range<usize>> {
    let newline = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some(0..newline + 2)
}

fn number(digits: &[u8]) -> Result<i64, NotResp> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(NotResp)
}

/// The arguments of a whole request.
pub(crate) fn arguments(request: &[u8]) -> Vec<Vec<u8>> {
    if request.first() != Some(&b'*') {
        return request.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
    }
    let mut rest = line(request).map_or(&[][..], |header| &request[header.end..]);
    let mut found = Vec::new();
    while let (Some(header), Ok(Some(whole))) = (line(rest), element(rest, Speaker::Client)) {
        found.push(rest[header.end..whole.length.saturating_sub(2).max(header.end)].to_vec());
        rest = &rest[whole.length..];
    }
    found
}

/// A request as client libraries write it.
pub(crate) fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REPLIES: [&[u8]; 9] = [
        b"+OK\r\n",
        b"$5\r\na\r\nbc\r\n",
        b"$-1\r\n",
        b"*2\r\n:1\r\n*1\r\n$0\r\n\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"%1\r\n+k\r\n,1.5\r\n",
        b">2\r\n+invalidate\r\n_\r\n",
        b"|1\r\n+ttl\r\n:5\r\n$1\r\nx\r\n",
    ];

    #[test]
    fn frames_come_out_as_they_went_in_even_byte_by_byte() {
        let mut framer = Framer::new(Speaker::Server);
        let mut found = Vec::new();
        for byte in REPLIES.concat() {
            framer.push(&[byte]);
            found.extend(framer.next_frame().unwrap());
        }
        assert_eq!(found, REPLIES);
    }

    #[test]
    fn an_unknown_type_is_an_inline_command_or_nonsense() {
        let mut client = Framer::new(Speaker::Client);
        client.push(b"PING  hello\r\n");
        let request = client.next_frame().unwrap().unwrap();
        assert_eq!(arguments(&request), [b"PING".to_vec(), b"hello".to_vec()]);
        let mut server = Framer::new(Speaker::Server);
        server.push(b"PING\r\n");
        assert_eq!(server.next_frame(), Err(NotResp));
    }

    #[test]
    fn encoding_and_reading_arguments_agree() {
        let words: [&[u8]; 3] = [b"SET", b"", b"a\r\nb"];
        assert_eq!(arguments(&encode(&words)), words);
    }
}
