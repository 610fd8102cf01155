//! A reply in a word or two: what a client is told, without what differs from run to run.

use std::fmt;

/// What came back, RESP2 taken apart as far as the table tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status, such as OK.
    Status(String),
    Integer(i64),
    Text(String),
    Nil,
    List(Vec<Reply>),
    /// The first word, and for errors that say when to try again, the milliseconds.
    Error {
        word: String,
        retry_after_ms: Option<u64>,
    },
    /// The connection was ended instead.
    Closed,
    /// Nothing came, for much longer than anybody was to wait.
    Nothing,
}

impl Reply {
    /// Reads one whole reply.
    pub fn read(bytes: &str) -> Self {
        let mut lines = bytes.split("\r\n");
        Self::next(&mut lines)
    }

    fn next<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Self {
        let line = lines.next().expect("a reply is whole");
        let (kind, rest) = line.split_at(1);
        match (kind, rest) {
            ("+", _) => Self::Status(rest.to_owned()),
            ("-", _) => Self::error(rest),
            (":", _) => Self::Integer(rest.parse().expect("an integer")),
            ("$" | "*", "-1") | ("_", _) => Self::Nil,
            ("$", _) => Self::Text(lines.next().expect("a bulk has text").to_owned()),
            ("*", count) => Self::List((0..count.parse().expect("a count")).map(|_| Self::next(lines)).collect()),
            _ => panic!("not RESP2: {line}"),
        }
    }

    fn error(text: &str) -> Self {
        let told = text.split_whitespace().find_map(|detail| detail.strip_prefix("retry-after-ms="));
        let word = text.split_whitespace().next().unwrap_or_default().to_owned();
        Self::Error { word, retry_after_ms: told.and_then(|wait| wait.parse().ok()) }
    }

    /// The first word of an error.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Error { word, .. } => Some(word),
            _ => None,
        }
    }

    /// Whether it is so of it, or of each of its elements.
    pub fn all(&self, is_so: impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::List(parts) => parts.iter().all(is_so),
            one => is_so(one),
        }
    }

    /// Whether it, or an element of it, is nil.
    pub fn has_nil(&self) -> bool {
        !self.all(|reply| *reply != Self::Nil)
    }

    /// Whether nothing was done, and the client is told so.
    pub fn is_unavailable(&self) -> bool {
        self.word() == Some("UNAVAILABLE")
    }

    /// Whether it may have happened, and nothing else is claimed.
    pub fn is_outcome_unknown(&self) -> bool {
        self.word() == Some("OUTCOMEUNKNOWN")
    }
}

/// Tokens and times are of the run, and no wonder.
const LARGEST_TOLD: i64 = 1_000_000;

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(text) => write!(f, "`{text}`"),
            Self::Integer(number) if *number > LARGEST_TOLD => f.write_str("a token"),
            Self::Integer(number) => write!(f, "`{number}`"),
            Self::Text(text) if text.starts_with('{') => f.write_str("the row"),
            Self::Text(text) => write!(f, "`\"{text}\"`"),
            Self::Nil => f.write_str("nil"),
            Self::List(parts) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "{}", parts.join(" "))
            }
            Self::Error { word, .. } => write!(f, "**{word}**"),
            Self::Closed => f.write_str("closed"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}
