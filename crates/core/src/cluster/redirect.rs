//! `MOVED` and `ASK`: a node's word that another one is to be asked.
//!
//! The text is that of an error reply. It may name no host (`MOVED 866 :7001`): then the port is at the host that was
//! asked; or `?`, where the node does not know what clients may call the other: then there is nowhere to go, but the
//! slot has moved all the same.
//!
//! Source: Redis cluster specification, "MOVED redirection" and "ASK redirection"; `clusterRedirectClient` in
//! `src/cluster.c`.

use super::{Endpoint, Slot};

/// Whether the other is to be asked from here on, or this once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectKind {
    /// The slot belongs to the other.
    Moved,
    /// The slot is on its way to the other, and this key is there already.
    Ask,
}

/// A node's word that another one is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// For how long.
    pub kind: RedirectKind,
    /// Of which slot.
    pub slot: Slot,
    /// The other as written: the host may be empty, or `?`. [`Redirect::target`] is who that is.
    pub to: Endpoint,
}

impl Redirect {
    /// Reads the text of an error reply, without its leading `-`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let kind = match words.next()? {
            "MOVED" => RedirectKind::Moved,
            "ASK" => RedirectKind::Ask,
            _ => return None,
        };
        let slot = Slot::parse(words.next()?)?;
        let to = endpoint(words.next()?)?;
        words.next().is_none().then_some(Self { kind, slot, to })
    }

    /// The node that is meant, if it is known, where `asked` is the one that said so.
    pub fn target(&self, asked: &Endpoint) -> Option<Endpoint> {
        match self.to.host.as_str() {
            UNKNOWN => None,
            "" => Some(Endpoint::new(asked.host.clone(), self.to.port)),
            _ => Some(self.to.clone()),
        }
    }
}

const UNKNOWN: &str = "?";

fn endpoint(text: &str) -> Option<Endpoint> {
    let endpoint = match text.strip_prefix("?:") {
        Some(port) => Endpoint::new(UNKNOWN, port.parse().ok()?),
        None => Endpoint::parse(text)?,
    };
    (endpoint.port != 0).then_some(endpoint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Option<String> {
        let asked = Endpoint::new("10.0.0.1", 7000);
        Redirect::parse(text.as_bytes()).unwrap().target(&asked).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn the_other_is_named_in_every_way_that_redis_does() {
        let moved = Redirect::parse(b"MOVED 3999 127.0.0.1:6381").unwrap();
        assert_eq!((moved.kind, moved.slot.number()), (RedirectKind::Moved, 3999));
        assert_eq!(Redirect::parse(b"ASK 0 h:1").unwrap().kind, RedirectKind::Ask);
        assert_eq!(target("MOVED 3999 127.0.0.1:6381").as_deref(), Some("127.0.0.1:6381"));
        assert_eq!(target("MOVED 3999 ::1:6381").as_deref(), Some("[::1]:6381"));
        assert_eq!(target("MOVED 3999 redis-3.example.com:6381").as_deref(), Some("redis-3.example.com:6381"));
        assert_eq!(target("ASK 3999 :6381").as_deref(), Some("10.0.0.1:6381"));
        assert_eq!(target("ASK 3999 ?:6381"), None);
    }

    #[test]
    fn other_errors_are_no_redirections() {
        let texts = [
            "",
            "MOVED",
            "MOVED 1",
            "MOVED 16384 h:1",
            "MOVED 1 h",
            "MOVED 1 h:0",
            "MOVED 1 h:1 more",
            "moved 1 h:1",
            "MOVEDX 1 h:1",
            "ASK 1 a/b:1",
            "CLUSTERDOWN The cluster is down",
        ];
        for text in texts {
            assert_eq!(Redirect::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(
            bytes: Vec<u8>, text in "(MOVED|ASK) [0-9]{0,6} [a-z0-9.:?\\[\\]]{0,30}( x)?",
        ) {
            Redirect::parse(&bytes);
            if let Some(redirect) = Redirect::parse(text.as_bytes()) {
                prop_assert!(redirect.slot <= Slot::LAST && redirect.to.port != 0);
            }
        }
    }
}
