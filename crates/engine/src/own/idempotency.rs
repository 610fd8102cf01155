//! `FAILSOFT BEGIN key ttl-ms [NONCE nonce]`, `COMMIT key token result [ttl-ms]` and `ABORT key token`.
//!
//! BEGIN answers `new` with a token, `in-progress` with the milliseconds that the record has left (-1: it does not end by
//! itself), or `done` with the result; the others OK. See [`primitive::idempotency`](crate::primitive::idempotency).

use std::time::Duration;

use failsoft_core::fencing::Token;
use failsoft_resp::commands::Arguments;
use failsoft_resp::encode;

use super::error::ParseError;
use super::lease_words::{nonce, nonce_of, not_held, reply_of, token, ttl, word};
use crate::context::Context;
use crate::primitive::Refusal;
use crate::primitive::idempotency::{Begun, abort, begin, commit};

/// What is wanted of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCommand {
    key: Vec<u8>,
    wish: Wish,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Begin { ttl: Duration, nonce: Option<Vec<u8>> },
    Commit { token: Option<Token>, result: Vec<u8>, ttl: Option<Duration> },
    Abort { token: Option<Token> },
}

impl RecordCommand {
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn read_begin<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        let wish = Wish::Begin { ttl: ttl(command, 3, "failsoft|begin")?, nonce: nonce(command, 4)? };
        Ok(Self { key: word(command, 2), wish })
    }

    pub(super) fn read_commit<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        let ttl = match command.count() {
            5 => None,
            6 => Some(ttl(command, 5, "failsoft|commit")?),
            _ => return Err(ParseError::Arity("failsoft|commit")),
        };
        let wish = Wish::Commit { token: token(command, 3)?, result: word(command, 4), ttl };
        Ok(Self { key: word(command, 2), wish })
    }

    pub(super) fn read_abort<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        Ok(Self { key: word(command, 2), wish: Wish::Abort { token: token(command, 3)? } })
    }

    pub(super) async fn answer(&self, context: &Context) -> Vec<u8> {
        reply_of(self.carry_out(context).await)
    }

    async fn carry_out(&self, context: &Context) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::new();
        match &self.wish {
            Wish::Begin { ttl, nonce } => tell(&begin(context, &self.key, *ttl, &nonce_of(nonce)?).await?, &mut out),
            Wish::Commit { token, result, ttl } => {
                let token = token.ok_or_else(|| not_held("record"))?;
                commit(context, &self.key, token, result, *ttl).await?;
                encode::simple(&mut out, "OK");
            }
            Wish::Abort { token } => {
                abort(context, &self.key, token.ok_or_else(|| not_held("record"))?).await?;
                encode::simple(&mut out, "OK");
            }
        }
        Ok(out)
    }
}

fn tell(begun: &Begun, out: &mut Vec<u8>) {
    encode::array_header(out, 2);
    match begun {
        Begun::New(grant) => {
            encode::bulk(out, b"new");
            encode::integer(out, grant.token.number() as i64);
        }
        Begun::InProgress(left) => {
            encode::bulk(out, b"in-progress");
            encode::integer(out, left.map_or(-1, |left| i64::try_from(left.as_millis()).unwrap_or(i64::MAX)));
        }
        Begun::Done(result) => {
            encode::bulk(out, b"done");
            encode::bulk(out, result);
        }
    }
}
