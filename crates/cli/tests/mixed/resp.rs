//! Replies taken apart, as far as the model has to look into them. Not the code under test.

/// Which nulls and pushes a client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Two,
    Three,
}

/// The elements of an array, a push or a map, each whole; none for anything else.
pub fn elements(frame: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut rest) = line(frame)?;
    let claim: usize = std::str::from_utf8(&head[1..]).ok()?.parse().ok()?;
    let count = match head[0] {
        b'*' | b'>' | b'~' => claim,
        b'%' => claim * 2,
        _ => return None,
    };
    let mut found = Vec::new();
    for _ in 0..count {
        let length = length(rest)?;
        found.push(&rest[..length]);
        rest = &rest[length..];
    }
    Some(found)
}

/// What a bulk string says.
pub fn text(frame: &[u8]) -> Option<&str> {
    let (head, rest) = line(frame)?;
    (head[0] == b'$' && head != b"$-1").then(|| std::str::from_utf8(&rest[..rest.len() - 2]).unwrap())
}

/// What a number says.
pub fn number(frame: &[u8]) -> Option<u64> {
    let (head, _) = line(frame)?;
    (head[0] == b':').then(|| std::str::from_utf8(&head[1..]).unwrap().parse().unwrap())
}

/// The first word of an error.
pub fn error_word(frame: &[u8]) -> Option<&str> {
    let words = frame.strip_prefix(b"-")?;
    std::str::from_utf8(words.split(|byte| byte.is_ascii_whitespace()).next()?).ok()
}

fn length(frame: &[u8]) -> Option<usize> {
    let (head, rest) = line(frame)?;
    let header = head.len() + 2;
    match head[0] {
        b'$' if head != b"$-1" => Some(header + std::str::from_utf8(&head[1..]).ok()?.parse::<usize>().ok()? + 2),
        b'*' | b'>' | b'~' | b'%' if head != b"*-1" => {
            let inside: usize = elements(&[head, b"\r\n", rest].concat())?.iter().map(|element| element.len()).sum();
            Some(header + inside)
        }
        _ => Some(header),
    }
}

fn line(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = frame.windows(2).position(|pair| pair == b"\r\n")?;
    (end > 0).then(|| (&frame[..end], &frame[end + 2..]))
}

#[test]
fn what_is_inside_is_found() {
    let frame = b"*3\r\n$2\r\nab\r\n*2\r\n:1\r\n*-1\r\n_\r\n";
    let parts = elements(frame).unwrap();
    assert_eq!(parts, [&b"$2\r\nab\r\n"[..], b"*2\r\n:1\r\n*-1\r\n", b"_\r\n"]);
    assert_eq!(text(parts[0]), Some("ab"));
    assert_eq!(number(elements(parts[1]).unwrap()[0]), Some(1));
    assert_eq!(elements(b"*-1\r\n"), None);
    assert_eq!(error_word(b"-ERR no\r\n"), Some("ERR"));
}
