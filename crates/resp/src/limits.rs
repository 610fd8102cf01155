//! How much of a peer's claims we believe.
//!
//! The lengths in a RESP header are promises by somebody else. A claim above these limits is refused when its header is
//! read; a claim below them still costs nothing until the bytes arrive.

/// Bounds on one frame. The default is what Redis itself allows a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest bulk string, in bytes.
    pub max_bulk: usize,
    /// Most arguments of a request, or elements of one aggregate of a reply (a map counts its pairs).
    pub max_elements: usize,
    /// Deepest nesting of aggregates in a reply; a flat array has depth 1.
    pub max_depth: usize,
    /// Longest line, in bytes before its end: an inline request, a header, a simple string or an error.
    pub max_line: usize,
}

impl Limits {
    /// Bounds on what a client may send: Redis' own, but for the number of arguments, of which Redis 7 allows more.
    pub const REQUESTS: Self = Self { max_bulk: 512 << 20, max_elements: 1 << 20, max_depth: 64, max_line: 64 << 10 };

    /// Bounds on what a client may send before it has said who it is: Redis' own. Room for HELLO with all its options.
    pub const STRANGERS: Self = Self { max_bulk: 16 << 10, max_elements: 10, ..Self::REQUESTS };

    /// Bounds that no honest server exceeds: a `KEYS *` may well have more than a million elements, but no line of a reply
    /// has a million bytes; and the deepest reply is that of a script that returns a table which contains itself, of which
    /// Redis sends about 8,000 levels before Lua's stack ends.
    pub const REPLIES: Self =
        Self { max_elements: u32::MAX as usize, max_depth: 8 << 10, max_line: 1 << 20, ..Self::REQUESTS };
}

impl Default for Limits {
    fn default() -> Self {
        Self::REQUESTS
    }
}
