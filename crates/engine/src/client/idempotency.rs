//! What has been done already: work that is done once, and whose result is told to everybody who asks for it again.
//!
//! The work runs in a task of its own: a caller who goes away leaves no work half done and no result unkept. A record that
//! is not there does not prove that nothing was done: Redis can lose it. What must never be done twice has its last word in
//! the database in which it is done, with the token beside it (`docs/locks.md`).

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use failsoft_core::fencing::Token;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::codec::{Codec, Json};
use super::locks::of_refusal;
use super::room::Room;
use super::{BoxError, CodecError, Error};
use crate::context::Context;
use crate::primitive::Nonce;
use crate::primitive::idempotency::{Begun, abort, begin, commit};

/// How long work may take unless it is said.
const WORK_BOUND: Duration = Duration::from_secs(60);

/// Records of what has been done, on one route with role idempotency.
#[derive(Clone)]
pub struct Idempotency {
    room: Room,
    bound: Duration,
}

/// A result, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done<T> {
    /// The work was done now.
    Now(T),
    /// It had been done before; this came of it.
    Before(T),
}

impl<T> Done<T> {
    /// The result.
    pub fn into_inner(self) -> T {
        match self {
            Self::Now(result) | Self::Before(result) => result,
        }
    }
}

/// Why there is no result that is known to be kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError<T> {
    /// The work was not begun: nothing was done.
    NotBegun(Error),
    /// Somebody else is at it, for so long at most, where that is known.
    InProgress(Option<Duration>),
    /// The work has failed and said why; whoever asks next is to do it.
    Work(BoxError),
    /// The work was done by an earlier call, and what is kept of it is no such result.
    Unreadable(CodecError),
    /// The work has been done, and it is not known whether that is kept: whoever asks again may do it again.
    Unkept {
        /// What came of it.
        result: T,
        /// Why it may not be kept.
        error: Error,
    },
    /// The work took longer than it may, and was broken off; nobody begins it again until its time is over.
    TooLong,
}

impl Idempotency {
    pub(super) fn new(room: Room) -> Self {
        Self { room, bound: WORK_BOUND }
    }

    /// How long work may take; a minute unless said. So long does nobody else begin it, if this process dies meanwhile.
    #[must_use]
    pub fn work_bound(self, bound: Duration) -> Self {
        Self { bound, ..self }
    }

    /// Does `work` unless it has been done under this key, and keeps what came of it for `ttl`.
    ///
    /// `work` is given a fencing token, greater than that of every earlier beginning: to be kept with what it changes, so
    /// that a database can refuse work that was overtaken. An error of it frees the key.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run<T, F, W, E>(&self, key: impl AsRef<[u8]>, ttl: Duration, work: F) -> Result<Done<T>, RunError<T>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(u64) -> W + Send + 'static,
        W: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let key = Box::<[u8]>::from(key.as_ref());
        self.room.ensure_own(&[&key]).map_err(RunError::NotBegun)?;
        let (room, bound) = (self.room.clone(), self.bound);
        let whole = async move { Ok(run(&room, &key, ttl, bound, work).await) };
        self.room.carry_through(whole).await.map_err(RunError::NotBegun)?
    }
}

async fn run<T, F, W, E>(
    room: &Room,
    key: &[u8],
    ttl: Duration,
    bound: Duration,
    work: F,
) -> Result<Done<T>, RunError<T>>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce(u64) -> W,
    W: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    let context = room.caller().context();
    let begun = begin(&context, key, bound, &Nonce::random()).await;
    let grant = match begun.map_err(|refusal| RunError::NotBegun(of_refusal(refusal)))? {
        Begun::New(grant) => grant,
        Begun::InProgress(left) => return Err(RunError::InProgress(left)),
        Begun::Done(result) => return Json.decode(&result).map(Done::Before).map_err(RunError::Unreadable),
    };
    let work = work(grant.token.number());
    let worked = async { work.await.map_err(Into::<BoxError>::into) };
    match timeout(grant.lease.left(context.now()), worked).await {
        Ok(Ok(result)) => keep(room, key, ttl, grant.token, result).await,
        Ok(Err(error)) => {
            // What is not freed ends by itself.
            let _ = abort(&room.caller().context(), key, grant.token).await;
            Err(RunError::Work(error))
        }
        Err(_) => Err(RunError::TooLong),
    }
}

async fn keep<T>(room: &Room, key: &[u8], ttl: Duration, token: Token, result: T) -> Result<Done<T>, RunError<T>>
where
    T: Serialize + DeserializeOwned,
{
    let kept = match Json.encode(&result) {
        Ok(bytes) => keep_bytes(&room.caller().context(), key, ttl, token, &bytes).await,
        Err(error) => Err(error.into()),
    };
    match kept {
        Ok(()) => Ok(Done::Now(result)),
        Err(error) => Err(RunError::Unkept { result, error }),
    }
}

/// To ask again with the same token is safe, and tells whether it was kept.
async fn keep_bytes(context: &Context, key: &[u8], ttl: Duration, token: Token, bytes: &[u8]) -> Result<(), Error> {
    match commit(context, key, token, bytes, Some(ttl)).await.map_err(of_refusal) {
        Err(Error::OutcomeUnknown(_)) => commit(context, key, token, bytes, Some(ttl)).await.map_err(of_refusal),
        other => other,
    }
}

impl<T> RunError<T> {
    /// Whether the same call may succeed later without the work being done twice by it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotBegun(error) => error.is_retryable(),
            Self::InProgress(_) | Self::Work(_) => true,
            Self::Unreadable(_) | Self::Unkept { .. } | Self::TooLong => false,
        }
    }
}

impl<T> fmt::Display for RunError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBegun(error) => write!(f, "the work was not begun: {error}"),
            Self::InProgress(Some(left)) => write!(f, "somebody else is at it, for {left:?} at most"),
            Self::InProgress(None) => f.write_str("somebody else is at it"),
            Self::Work(error) => write!(f, "the work has failed: {error}"),
            Self::Unreadable(error) => write!(f, "the work was done before, and its result cannot be read: {error}"),
            Self::Unkept { error, .. } => write!(f, "the work was done, and that may not be kept: {error}"),
            Self::TooLong => f.write_str("the work took too long and was broken off"),
        }
    }
}

impl<T: fmt::Debug> StdError for RunError<T> {}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("route", &self.room.name()).field("work_bound", &self.bound).finish()
    }
}
