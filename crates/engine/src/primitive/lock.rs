//! `FAILSOFT LOCK`, `EXTEND` and `UNLOCK`: who alone may, with a token that a resource can check.
//!
//! A lock is a plain string key that ends by itself, so that it excludes, and is excluded by, every `SET key value NX PX`
//! of other libraries. What holds under which assumption is told in `docs/locks.md`; the short of it: two holders are
//! possible wherever Redis can lose a write or a clock can jump, and their tokens differ, the later one's being greater.

use std::time::Duration;

use failsoft_core::fencing::{Lease, Token};
use failsoft_core::role::Role;

use super::lease::{self, Acquired, Grant, Subject};
use super::{Nonce, Refusal};
use crate::context::Context;

/// Takes the lock on `key` for `ttl`; `None`: somebody else holds it.
///
/// Granted means that as many replicas as the route asks for have said that they have it, and that the lease was still
/// proven when the answer came. If this future is dropped, what is granted later is given back, unless the nonce is the
/// caller's own.
///
/// # Errors
/// [`Refusal`]: nothing is held, or it is not known whether something is. With a nonce of the caller's own the latter is
/// resolved by asking again with it; otherwise the lock is held by nobody until `ttl` has passed.
pub async fn acquire(context: &Context, key: &[u8], ttl: Duration, nonce: &Nonce) -> Result<Option<Grant>, Refusal> {
    let asked = async {
        Ok(match lease::acquire(context, key, Role::Lock, "LOCK", ttl, nonce).await? {
            Acquired::Granted(grant) => Some(grant),
            Acquired::Held(_) | Acquired::Done(_) => None,
        })
    };
    let acquired: Result<Option<Grant>, Refusal> = asked.await;
    let word = acquired.as_ref().map(|grant| if grant.is_some() { "granted" } else { "held" });
    count(context, "lock", word);
    acquired
}

/// Lets the lock on `key` last for `ttl` from here on.
///
/// # Errors
/// [`Refusal`]: it is not held with this token, or it is not known whether it lasts longer. A holder goes by the lease that
/// it can prove: one whose own clock says that the lease is over does not ask any more.
pub async fn extend(context: &Context, key: &[u8], token: Token, ttl: Duration) -> Result<Lease, Refusal> {
    let asked = async {
        let subject = Subject::of(context, key, Role::Lock, "EXTEND")?;
        subject.extend(token, ttl, "lock").await
    };
    let extended = asked.await;
    count(context, "extend", extended.as_ref().map(|_| "done"));
    extended
}

/// Ends the lock on `key`.
///
/// # Errors
/// [`Refusal`]: it is not held with this token, and nothing was done; or it is not known whether it is held. Asked again,
/// the answer is that it is held no more, either way.
pub async fn release(context: &Context, key: &[u8], token: Token) -> Result<(), Refusal> {
    let asked = async {
        let subject = Subject::of(context, key, Role::Lock, "UNLOCK")?;
        subject.release(token, "lock").await
    };
    let released = asked.await;
    count(context, "unlock", released.as_ref().map(|()| "done"));
    released
}

/// Counts what came of a command.
pub(super) fn count(context: &Context, command: &'static str, came: Result<&'static str, &Refusal>) {
    let result = came.unwrap_or_else(|refusal| refusal.kind().name());
    context.world.fences().handle_result(command, result);
}
