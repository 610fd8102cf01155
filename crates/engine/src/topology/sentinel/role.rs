//! What a node says of itself.
//!
//! Sentinels name a primary; that it is one is only true when it says so, and a demoted one that is not told yet still
//! takes writes that will be lost.

use std::time::Duration;

use failsoft_core::cluster::Endpoint;
use failsoft_core::outcome::Silence;
use failsoft_core::refusal::Refusal;
use failsoft_core::sentinel::Unreadable;
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Head};
use tokio::time::timeout;

use super::Unheard;
use crate::node::{NodeOptions, handshake};
use crate::topology::replies::Replies;
use crate::wire::Wire;

/// What a node is, by its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows another.
    Replica {
        /// Which; `None` if that is not a place.
        of: Option<Endpoint>,
    },
    /// It is no node at all.
    Sentinel,
}

/// Connects to a node and asks it what it is, within its timeouts for connecting and for one reply.
///
/// # Errors
/// Why it has not said.
pub async fn ask_role(options: &NodeOptions) -> Result<Role, Unheard> {
    let mut wire = handshake::connect(options, Protocol::Resp2).await.map_err(Unheard::Failed)?;
    question(&mut wire, options.timeout).await
}

/// Asks a node over `wire`, on which nothing is outstanding, for `patience` at most. On silence the connection is of no use
/// any more.
pub(super) async fn question(wire: &mut Wire, patience: Duration) -> Result<Role, Unheard> {
    timeout(patience, converse(wire)).await.unwrap_or(Err(Unheard::Silent(Silence::Timeout)))
}

async fn converse(wire: &mut Wire) -> Result<Role, Unheard> {
    let mut replies = Replies::of(wire);
    let mut question = Vec::new();
    encode::command(&mut question, [&b"ROLE"[..]]);
    replies.ask(&question).await.map_err(Unheard::Silent)?;
    let answer = replies.next().await.map_err(Unheard::Silent)?;
    if let Some(Head::Error(text)) = reply::head(&answer) {
        return Err(Unheard::Refused(Refusal::from_error(text)));
    }
    role_in(&answer).ok_or(Unheard::Unreadable(Unreadable::Shape("ROLE")))
}

fn role_in(frame: &[u8]) -> Option<Role> {
    let Head::Aggregate { .. } = reply::head(frame)? else { return None };
    let mut parts = reply::elements(frame).map(reply::head);
    match parts.next()?? {
        Head::Bulk(b"master") => Some(Role::Primary),
        Head::Bulk(b"sentinel") => Some(Role::Sentinel),
        Head::Bulk(b"slave") => {
            let (Head::Bulk(host), Head::Integer(port)) = (parts.next()??, parts.next()??) else { return None };
            let host = std::str::from_utf8(host).ok().filter(|host| Endpoint::is_host(host));
            Some(Role::Replica { of: host.zip(u16::try_from(port).ok()).map(|(host, port)| Endpoint::new(host, port)) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_is_read_and_nothing_else_is_taken_for_one() {
        let replica = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:7\r\n";
        assert_eq!(role_in(b"*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n"), Some(Role::Primary));
        assert_eq!(role_in(replica), Some(Role::Replica { of: Some(Endpoint::new("127.0.0.1", 6379)) }));
        assert_eq!(role_in(b"*3\r\n$5\r\nslave\r\n$1\r\n?\r\n:-1\r\n"), Some(Role::Replica { of: None }));
        assert_eq!(role_in(b"*2\r\n$8\r\nsentinel\r\n*0\r\n"), Some(Role::Sentinel));
        for other in
            [&b"+master\r\n"[..], b"$6\r\nmaster\r\n", b"*0\r\n", b"*1\r\n$5\r\nslave\r\n", b"*1\r\n+master\r\n", b""]
        {
            assert_eq!(role_in(other), None, "{}", other.escape_ascii());
        }
    }
}
