//! The first words on a new connection: who we are, which database, and whether anybody is there.
//!
//! A TCP connection proves nothing: the kernel accepts it for a stopped process, and Redis accepts one only to say that
//! it has too many. So the handshake always ends with a PING whose reply is awaited.

use std::fmt;
use std::time::Duration;

use failsoft_core::outcome::Failure;
use failsoft_core::refusal::{Health, Refusal};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::limits::Limits;
use failsoft_resp::reply::{self, Head, ReplyScanner};
use tokio::time::{Instant, timeout_at};

use super::dial::{dial, failure};
use super::{NodeOptions, Reads};
use crate::wire::Wire;

/// Bytes of reply that a handshake may bring.
const REPLY_BOUND: usize = 64 << 10;

/// Who failsoft is to a node. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// ACL user; the default user if there is only a password.
    pub username: Option<String>,
    /// Password; without one there is no `AUTH`.
    pub password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.password.is_some() { "set" } else { "none" };
        f.debug_struct("Credentials").field("username", &self.username).field("password", &password).finish()
    }
}

/// Connects and shakes hands, within the node's connect timeout.
///
/// # Errors
/// Why there is no connection; nothing a client has asked for has been sent.
pub async fn connect(options: &NodeOptions, protocol: Protocol) -> Result<Wire, Failure> {
    let deadline = Instant::now() + options.connect_timeout;
    let mut wire = dial(options, deadline).await?;
    let greeted = timeout_at(deadline, greet(&mut wire, options, protocol)).await;
    greeted.unwrap_or(Err(Failure::ConnectTimeout))?;
    Ok(wire)
}

/// Connects without a word of Redis' protocol, within the node's connect timeout.
pub(super) async fn open(options: &NodeOptions) -> Result<Wire, Failure> {
    dial(options, Instant::now() + options.connect_timeout).await
}

async fn greet(wire: &mut Wire, options: &NodeOptions, protocol: Protocol) -> Result<(), Failure> {
    let (greeting, replies) = greeting(options, protocol);
    if let Err(error) = wire.write_all(&greeting).await {
        // Who closes on us may have said why before.
        let last_words = wire.read_now(&mut Vec::with_capacity(REPLY_BOUND)).err();
        return Err(last_words.map_or(failure(&error), |words| failure(&words)));
    }
    read_replies(wire, replies).await
}

fn greeting(options: &NodeOptions, protocol: Protocol) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut replies = 2;
    let Credentials { username, password } = &options.credentials;
    let user = username.as_deref().unwrap_or("default");
    match (protocol, username, password) {
        (Protocol::Resp2, _, None) => replies -= 1,
        (Protocol::Resp2, None, Some(password)) => {
            encode::command(&mut bytes, [&b"AUTH"[..], password.as_bytes()]);
        }
        (Protocol::Resp2, Some(user), Some(password)) => {
            encode::command(&mut bytes, [&b"AUTH"[..], user.as_bytes(), password.as_bytes()]);
        }
        (Protocol::Resp3, _, None) => encode::command(&mut bytes, [&b"HELLO"[..], b"3"]),
        (Protocol::Resp3, _, Some(password)) => {
            encode::command(&mut bytes, [&b"HELLO"[..], b"3", b"AUTH", user.as_bytes(), password.as_bytes()]);
        }
    }
    if options.database != 0 {
        encode::command(&mut bytes, [&b"SELECT"[..], options.database.to_string().as_bytes()]);
        replies += 1;
    }
    if options.reads == Reads::OfReplica {
        encode::command(&mut bytes, [&b"READONLY"[..]]);
        replies += 1;
    }
    encode::command(&mut bytes, [&b"PING"[..]]);
    (bytes, replies)
}

async fn read_replies(wire: &mut Wire, count: usize) -> Result<(), Failure> {
    let mut buffer = Vec::new();
    let mut scanner = ReplyScanner::new(Limits::default());
    let mut seen = 0;
    let mut start = 0;
    while seen < count {
        match scanner.scan(&buffer[start..]) {
            Ok(Some(len)) => {
                judge(&buffer[start..start + len])?;
                start += len;
                seen += 1;
            }
            Ok(None) if buffer.len() < REPLY_BOUND => {
                let read = wire.read(&mut buffer).await.map_err(|error| failure(&error))?;
                if read == 0 {
                    return Err(Failure::ConnectRefused);
                }
            }
            Ok(None) | Err(_) => return Err(Failure::Unreachable),
        }
    }
    Ok(())
}

/// A node that is loading or busy is connected all the same: its replies will say how it is.
fn judge(reply: &[u8]) -> Result<(), Failure> {
    let Some(Head::Error(text)) = reply::head(reply) else {
        return Ok(());
    };
    match Refusal::from_error(text) {
        refusal @ Refusal::MaxClients => Err(Failure::Handshake(refusal)),
        refusal if refusal.health() == Health::Sick => Ok(()),
        refusal => Err(Failure::Handshake(refusal)),
    }
}

/// How long a probe or handshake may take at most, given the node's timeouts.
pub(super) fn patience(options: &NodeOptions) -> Duration {
    options.connect_timeout.max(options.timeout)
}
