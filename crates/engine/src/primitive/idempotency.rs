//! `FAILSOFT BEGIN`, `COMMIT` and `ABORT`: what has been done already, and with which result.
//!
//! A record is a lease while the work is under way and its result afterwards, in one key that ends by itself. That there is
//! none does not prove that nothing was done: records can be evicted, flushed, or lost by a failover. What must never be
//! done twice needs its last word in the database in which it is done; the token can be kept there with it.

use std::time::Duration;

use failsoft_core::fencing::Token;
use failsoft_core::role::Role;

use super::lease::{self, Acquired, Grant, Subject};
use super::lock::count;
use super::{Nonce, Refusal};
use crate::context::Context;

/// Bytes that a result may have: it is kept in Redis, sent to every replica, and to everybody who asks again.
pub const MOST_RESULT: usize = 1 << 20;

/// What came of beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is for the caller to do.
    New(Grant),
    /// Somebody else is at it, for so long at most; `None`: the record does not end by itself, another program wrote it.
    InProgress(Option<Duration>),
    /// It has been done, and this came of it.
    Done(Vec<u8>),
}

/// Begins what `key` stands for, to be committed within `ttl`.
///
/// # Errors
/// [`Refusal`], as for [`lock::acquire`](super::lock::acquire).
pub async fn begin(context: &Context, key: &[u8], ttl: Duration, nonce: &Nonce) -> Result<Begun, Refusal> {
    let asked = async {
        Ok(match lease::acquire(context, key, Role::Idempotency, "BEGIN", ttl, nonce).await? {
            Acquired::Granted(grant) => Begun::New(grant),
            Acquired::Held(left) => Begun::InProgress(left),
            Acquired::Done(result) => Begun::Done(result),
        })
    };
    let begun: Result<Begun, Refusal> = asked.await;
    let word = begun.as_ref().map(|begun| match begun {
        Begun::New(_) => "new",
        Begun::InProgress(_) => "in_progress",
        Begun::Done(_) => "done",
    });
    count(context, "begin", word);
    begun
}

/// Keeps `result` as what came of it, for `ttl`, or for what is left of the time that it was begun with.
///
/// # Errors
/// [`Refusal`]: the time is over, or another has begun since, and nothing was kept; or it is not known whether it was, and
/// asking again with the same token is safe and tells. A result that was kept first stays.
pub async fn commit(
    context: &Context,
    key: &[u8],
    token: Token,
    result: &[u8],
    ttl: Option<Duration>,
) -> Result<(), Refusal> {
    let asked = async {
        let subject = Subject::of(context, key, Role::Idempotency, "COMMIT")?;
        if result.len() > MOST_RESULT {
            return Err(Refusal::error(format!(
                "the result has {} bytes, {MOST_RESULT} are the most; keep it elsewhere and commit where it is",
                result.len()
            )));
        }
        subject.commit(token, result, ttl, "record").await
    };
    let committed = asked.await;
    count(context, "commit", committed.as_ref().map(|()| "done"));
    committed
}

/// Frees `key`: the next who begins is to do it.
///
/// # Errors
/// [`Refusal`]: it is not under way with this token (it may have been committed), and nothing was done.
pub async fn abort(context: &Context, key: &[u8], token: Token) -> Result<(), Refusal> {
    let asked = async {
        let subject = Subject::of(context, key, Role::Idempotency, "ABORT")?;
        subject.release(token, "record").await
    };
    let aborted = asked.await;
    count(context, "abort", aborted.as_ref().map(|()| "done"));
    aborted
}
