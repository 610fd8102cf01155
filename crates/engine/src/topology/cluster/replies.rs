//! Replies to a few questions, one after the other, within a bound on their bytes.

use failsoft_core::outcome::Silence;
use failsoft_resp::limits::Limits;
use failsoft_resp::reply::ReplyScanner;

use crate::wire::Wire;

/// Bytes that all answers of one node may have together: a thousand nodes with a name each and all slots apart have
/// about half of it.
pub const ANSWER_BOUND: usize = 4 << 20;

/// No reply about a cluster is deeper, and none has more elements than twice the slots.
const LIMITS: Limits = Limits { max_bulk: ANSWER_BOUND, max_elements: 32 << 10, max_depth: 8, max_line: 64 << 10 };

/// What has come over a connection, and how far it has been read.
pub(super) struct Replies<'w> {
    wire: &'w mut Wire,
    scanner: ReplyScanner,
    buffer: Vec<u8>,
    taken: usize,
}

impl<'w> Replies<'w> {
    /// Of a connection on which nothing is outstanding.
    pub(super) fn of(wire: &'w mut Wire) -> Self {
        Self { wire, scanner: ReplyScanner::new(LIMITS), buffer: Vec::new(), taken: 0 }
    }

    /// Asks; the replies come in order.
    pub(super) async fn ask(&mut self, question: &[u8]) -> Result<(), Silence> {
        self.wire.write_all(question).await.map_err(|_| Silence::ConnectionLost)
    }

    /// The next reply.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Silence> {
        loop {
            let unread = &self.buffer[self.taken..];
            if let Some(len) = self.scanner.scan(unread).map_err(|_| Silence::ProtocolViolation)? {
                let reply = unread[..len].to_vec();
                self.taken += len;
                return Ok(reply);
            }
            if self.buffer.len() > ANSWER_BOUND {
                return Err(Silence::ProtocolViolation);
            }
            let read = self.wire.read(&mut self.buffer).await.map_err(|_| Silence::ConnectionLost)?;
            if read == 0 {
                return Err(Silence::ConnectionLost);
            }
        }
    }

    /// Says that no more replies are outstanding.
    pub(super) fn end(self) -> Result<(), Silence> {
        if self.taken == self.buffer.len() { Ok(()) } else { Err(Silence::ProtocolViolation) }
    }
}
