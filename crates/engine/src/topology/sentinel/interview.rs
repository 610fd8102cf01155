//! One sentinel is asked about a primary, and becomes a witness.
//!
//! Five questions in one write, so that the answers are of one moment. Sentinels before Redis 5.0 call replicas slaves,
//! and those before 6.2 have no name to tell; neither is held against them.

use std::time::Duration;

use failsoft_core::cluster::{Endpoint, NodeId};
use failsoft_core::outcome::Silence;
use failsoft_core::refusal::Refusal;
use failsoft_core::sentinel::{Fields, SentinelWitness, Unreadable, Watch, Word};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Aggregate, Head};
use tokio::time::timeout;

use super::Unheard;
use crate::node::{Credentials, NodeOptions, handshake};
use crate::settings::NodeAddress;
use crate::topology::address::Destination;
use crate::topology::replies::Replies;
use crate::wire::Wire;

const ID: &str = "MYID";
const ADDRESS: &str = "GET-MASTER-ADDR-BY-NAME";
const PRIMARY: &str = "MASTER";
const REPLICAS: &str = "REPLICAS";
const REPLICAS_BEFORE_5: &str = "SLAVES";
const SENTINELS: &str = "SENTINELS";

/// What a sentinel begins its answer with when it watches nothing of the name it was asked about.
const NO_SUCH_NAME: &[u8] = b"ERR No such master with that name";
/// What a Redis answers to questions for sentinels.
const NO_SENTINEL: &[u8] = b"ERR unknown command";

/// How a sentinel is spoken to that is reached at `to`: as `node` is, but with credentials of its own and no database.
pub fn sentinel_options(node: &NodeOptions, to: Destination, credentials: Credentials) -> NodeOptions {
    let Destination { address, leads } = to;
    NodeOptions { address, leads, credentials, database: 0, ..node.clone() }
}

/// Connects to a sentinel and asks it about the primary called `master_name`, within its timeouts for connecting and for one
/// reply.
///
/// # Errors
/// Why it is no witness.
pub async fn interview(options: &NodeOptions, master_name: &str) -> Result<SentinelWitness, Unheard> {
    let mut wire = handshake::connect(options, Protocol::Resp2).await.map_err(Unheard::Failed)?;
    question(&mut wire, &options.address, master_name, options.timeout).await
}

/// Asks the sentinel at `address` over `wire`, on which nothing is outstanding, for `patience` at most.
///
/// On an error the connection is of no use any more.
///
/// # Errors
/// Why it is no witness; never [`Unheard::Failed`].
pub async fn question(
    wire: &mut Wire,
    address: &NodeAddress,
    master_name: &str,
    patience: Duration,
) -> Result<SentinelWitness, Unheard> {
    let from = match address {
        NodeAddress::Tcp { host, port, .. } => Endpoint::new(host.clone(), *port),
        NodeAddress::Unix { path } => Endpoint::new(path.display().to_string(), 0),
    };
    let asked = timeout(patience, converse(wire, master_name)).await;
    let (id, word) = asked.unwrap_or(Err(Unheard::Silent(Silence::Timeout)))?;
    Ok(SentinelWitness { from, id, word })
}

async fn converse(wire: &mut Wire, master_name: &str) -> Result<(Option<NodeId>, Word), Unheard> {
    let mut replies = Replies::of(wire);
    let mut questions = Vec::new();
    encode::command(&mut questions, [&b"SENTINEL"[..], ID.as_bytes()]);
    for question in [ADDRESS, PRIMARY, REPLICAS, SENTINELS] {
        encode::command(&mut questions, [&b"SENTINEL"[..], question.as_bytes(), master_name.as_bytes()]);
    }
    replies.ask(&questions).await.map_err(Unheard::Silent)?;
    let mut answers = Vec::with_capacity(5);
    for _ in 0..5 {
        answers.push(replies.next().await.map_err(Unheard::Silent)?);
    }
    let [id, address, primary, replicas, sentinels] = &mut answers[..] else {
        return Err(Unheard::Silent(Silence::ProtocolViolation));
    };
    if let Some(Head::Error(_)) = reply::head(replicas)
        && !matches!(reply::head(primary), Some(Head::Error(_)))
    {
        *replicas = ask_as_before_5(&mut replies, master_name).await?;
    }
    replies.end().map_err(Unheard::Silent)?;
    Ok((id_in(id), word(address, primary, replicas, sentinels)?))
}

async fn ask_as_before_5(replies: &mut Replies<'_>, master_name: &str) -> Result<Vec<u8>, Unheard> {
    let mut question = Vec::new();
    encode::command(&mut question, [&b"SENTINEL"[..], REPLICAS_BEFORE_5.as_bytes(), master_name.as_bytes()]);
    replies.ask(&question).await.map_err(Unheard::Silent)?;
    replies.next().await.map_err(Unheard::Silent)
}

fn id_in(frame: &[u8]) -> Option<NodeId> {
    match reply::head(frame) {
        Some(Head::Bulk(id)) => NodeId::parse(std::str::from_utf8(id).ok()?),
        _ => None,
    }
}

fn word(address: &[u8], primary: &[u8], replicas: &[u8], sentinels: &[u8]) -> Result<Word, Unheard> {
    for frame in [address, primary, replicas, sentinels] {
        match reply::head(frame) {
            Some(Head::Error(text)) if text.starts_with(NO_SENTINEL) => return Ok(Word::NoSentinel),
            Some(Head::Error(text)) if text.starts_with(NO_SUCH_NAME) => return Ok(Word::NoSuchName),
            Some(Head::Error(text)) => return Err(Unheard::Refused(Refusal::from_error(text))),
            Some(Head::Nil) => return Ok(Word::NoSuchName),
            _ => {}
        }
    }
    let pair = pair_in(address).ok_or(Unreadable::Shape(ADDRESS))?;
    let fields = fields_in(primary).ok_or(Unreadable::Shape(PRIMARY))?;
    let replicas = list_in(replicas).ok_or(Unreadable::Shape(REPLICAS))?;
    let sentinels = list_in(sentinels).ok_or(Unreadable::Shape(SENTINELS))?;
    Ok(Word::Watching(Watch::read(pair, &fields, &replicas, &sentinels)?))
}

fn pair_in(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut texts = texts_in(frame)?;
    match (texts.next()?, texts.next()?, texts.next()) {
        (Some(host), Some(port), None) => Some((host, port)),
        _ => None,
    }
}

fn list_in(frame: &[u8]) -> Option<Vec<Fields<'_>>> {
    match reply::head(frame)? {
        Head::Aggregate { kind: Aggregate::Array, .. } => reply::elements(frame).map(fields_in).collect(),
        _ => None,
    }
}

/// Names and values, one after the other.
fn fields_in(frame: &[u8]) -> Option<Fields<'_>> {
    let texts: Vec<_> = texts_in(frame)?.collect::<Option<_>>()?;
    let pairs = texts.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    is_whole.then(|| pairs.map(|pair| (pair[0], pair[1])).collect())
}

fn texts_in(frame: &[u8]) -> Option<impl Iterator<Item = Option<&[u8]>>> {
    match reply::head(frame)? {
        Head::Aggregate { kind: Aggregate::Array | Aggregate::Map, .. } => {
            Some(reply::elements(frame).map(|element| match reply::head(element) {
                Some(Head::Bulk(text) | Head::Simple(text)) => Some(text),
                _ => None,
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
