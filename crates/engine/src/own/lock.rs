//! `FAILSOFT LOCK key ttl-ms [NONCE nonce]`, `EXTEND key token ttl-ms` and `UNLOCK key token`.
//!
//! LOCK answers with the fencing token, an integer, or nil where somebody else holds the lock; the others with 1. See
//! [`primitive::lock`](crate::primitive::lock).

use std::time::Duration;

use failsoft_core::fencing::Token;
use failsoft_resp::commands::Arguments;
use failsoft_resp::encode::{self, Protocol};

use super::error::ParseError;
use super::lease_words::{nonce, nonce_of, not_held, reply_of, token, ttl, word};
use crate::context::Context;
use crate::primitive::{Refusal, lock};

/// What is wanted of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockCommand {
    key: Vec<u8>,
    wish: Wish,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Lock { ttl: Duration, nonce: Option<Vec<u8>> },
    Extend { token: Option<Token>, ttl: Duration },
    Unlock { token: Option<Token> },
}

impl LockCommand {
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn read_lock<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        let wish = Wish::Lock { ttl: ttl(command, 3, "failsoft|lock")?, nonce: nonce(command, 4)? };
        Ok(Self { key: word(command, 2), wish })
    }

    pub(super) fn read_extend<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        let wish = Wish::Extend { token: token(command, 3)?, ttl: ttl(command, 4, "failsoft|extend")? };
        Ok(Self { key: word(command, 2), wish })
    }

    pub(super) fn read_unlock<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        Ok(Self { key: word(command, 2), wish: Wish::Unlock { token: token(command, 3)? } })
    }

    pub(super) async fn answer(&self, context: &Context, protocol: Protocol) -> Vec<u8> {
        reply_of(self.carry_out(context, protocol).await)
    }

    async fn carry_out(&self, context: &Context, protocol: Protocol) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::new();
        match &self.wish {
            Wish::Lock { ttl, nonce } => match lock::acquire(context, &self.key, *ttl, &nonce_of(nonce)?).await? {
                Some(grant) => encode::integer(&mut out, grant.token.number() as i64),
                None => encode::nil(&mut out, protocol),
            },
            Wish::Extend { token, ttl } => {
                lock::extend(context, &self.key, token.ok_or_else(|| not_held("lock"))?, *ttl).await?;
                encode::integer(&mut out, 1);
            }
            Wish::Unlock { token } => {
                lock::release(context, &self.key, token.ok_or_else(|| not_held("lock"))?).await?;
                encode::integer(&mut out, 1);
            }
        }
        Ok(out)
    }
}
