//! Whether a node may throw away what it has been given to keep: `maxmemory-policy`, as it tells itself.
//!
//! A lock that was evicted is free for the next, and a record that was evicted is begun again. Nobody can prevent that from
//! here, but it can be said. Whoever has just kept something there asks, now and then: a policy can be changed at any time.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::time::nanos;

/// How long an answer is gone by.
const ASKED_EVERY: Duration = Duration::from_secs(30);

/// What a node has said about eviction.
#[derive(Debug, Default)]
pub struct Eviction {
    /// 0 until it has said anything, then 1 for no and 2 for yes.
    known: AtomicU8,
    /// When it is to be asked next, in nanoseconds.
    due: AtomicU64,
}

impl Eviction {
    /// Whether to ask at `now`; to one of those who wonder at the same time only.
    pub(crate) fn request_question(&self, now: Time) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        let next = now.as_nanos().saturating_add(nanos(ASKED_EVERY));
        now.as_nanos() >= due && self.due.compare_exchange(due, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// `node` has said this (`INFO memory`): told to the log when it becomes so, and when it is over.
    pub(crate) fn handle_report(&self, node: &str, text: &[u8]) {
        let Some((limit, policy)) = read(text) else { return };
        let may_evict = limit != "0" && policy != "noeviction";
        match (self.known.swap(1 + u8::from(may_evict), Ordering::AcqRel), may_evict) {
            (0 | 1, true) => tracing::warn!(
                node,
                policy,
                "locks and idempotency records may be evicted here: one that is gone is granted or begun again; set maxmemory-policy noeviction"
            ),
            (2, false) => tracing::info!(node, "locks and idempotency records are not evicted here any more"),
            (_, _) => {}
        }
    }

    /// Whether it may evict keys that end by themselves; `None` before it has been asked.
    pub fn may_evict(&self) -> Option<bool> {
        match self.known.load(Ordering::Acquire) {
            0 => None,
            known => Some(known == 2),
        }
    }
}

/// `maxmemory` and `maxmemory_policy`.
fn read(text: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(text).ok()?;
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Some((value("maxmemory")?.trim(), value("maxmemory_policy")?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(limit: u64, policy: &str) -> Option<bool> {
        let eviction = Eviction::default();
        let text = format!("# Memory\r\nmaxmemory:{limit}\r\nmaxmemory_human:0B\r\nmaxmemory_policy:{policy}\r\n");
        eviction.handle_report("node", text.as_bytes());
        eviction.may_evict()
    }

    #[test]
    fn a_node_with_a_limit_and_a_policy_may_evict() {
        assert_eq!(told(1, "allkeys-lru"), Some(true));
        assert_eq!(told(1, "volatile-ttl"), Some(true), "what ends by itself is what it takes");
        assert_eq!(told(0, "allkeys-lru"), Some(false));
        assert_eq!(told(1, "noeviction"), Some(false));
        assert_eq!(read(b"maxmemory:1\r\n"), None);
    }

    #[test]
    fn it_is_asked_now_and_then() {
        let eviction = Eviction::default();
        let second = |seconds: u64| Time::from_millis(seconds * 1_000);
        assert!(eviction.request_question(second(1)));
        assert!(!eviction.request_question(second(30)));
        assert!(eviction.request_question(second(31)));
    }
}
