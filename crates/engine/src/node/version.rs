//! Which version of Redis a node says it is.
//!
//! Client libraries read the version from HELLO and choose what they dare to send by it; a client of failsoft has to
//! hear what its primary would say, also while the primary is away.

use std::sync::Arc;

use arc_swap::ArcSwap;
use failsoft_resp::encode;
use failsoft_resp::limits::Limits;
use failsoft_resp::reply::{self, Head, ReplyScanner};

use crate::wire::Wire;

/// What is said before any node has been asked: the oldest version that has every command failsoft knows the keys of.
pub const UNKNOWN: &str = "7.0.0";
/// Bytes that the answer may have.
const REPLY_BOUND: usize = 64 << 10;
/// Bytes that a version may have.
const VERSION_BOUND: usize = 64;

/// The version that was last told.
pub(super) struct Version(ArcSwap<String>);

impl Default for Version {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(UNKNOWN.to_owned()))
    }
}

impl Version {
    /// The version.
    pub(super) fn get(&self) -> Arc<String> {
        self.0.load_full()
    }

    /// Asks for it on a connection on which nothing is outstanding. Who may not ask INFO learns nothing; a connection that
    /// is lost meanwhile is noticed by whoever uses it next.
    pub(super) async fn learn(&self, wire: &mut Wire) {
        if let Some(version) = ask(wire).await {
            self.0.store(Arc::new(version));
        }
    }
}

async fn ask(wire: &mut Wire) -> Option<String> {
    let mut request = Vec::new();
    encode::command(&mut request, [&b"INFO"[..], b"server"]);
    wire.write_all(&request).await.ok()?;
    let mut scanner = ReplyScanner::new(Limits::default());
    let mut buffer = Vec::new();
    loop {
        match scanner.scan(&buffer) {
            Ok(Some(len)) => return version_in(&buffer[..len]),
            Ok(None) if buffer.len() <= REPLY_BOUND && wire.read(&mut buffer).await.is_ok_and(|read| read > 0) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn version_in(reply: &[u8]) -> Option<String> {
    let Some(Head::Bulk(text)) = reply::head(reply) else {
        return None;
    };
    let text = std::str::from_utf8(text).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"))?.trim();
    let is_one = version.len() <= VERSION_BOUND && version.bytes().all(|byte| byte.is_ascii_graphic());
    (is_one && !version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_and_nothing_else_is_taken_for_one() {
        assert_eq!(version_in(b"$37\r\n# Server\r\nredis_version:7.0.15\r\nx:y\r\n\r\n").as_deref(), Some("7.0.15"));
        for reply in
            [&b"-NOPERM no\r\n"[..], b"$2\r\nab\r\n", b"$17\r\nredis_version:a b\r\n", b"$15\r\nredis_version:\n\r\n"]
        {
            assert_eq!(version_in(reply), None);
        }
    }
}
