//! The arguments that commands about leases share, and their errors in Redis' own words where it has some.

use std::time::Duration;

use failsoft_core::fencing::Token;
use failsoft_resp::commands::Arguments;

use super::error::ParseError;
use crate::primitive::{Nonce, Refusal};

/// An argument as it is; the table of commands has seen to it that it is there.
pub(super) fn word<A: Arguments + ?Sized>(command: &A, index: usize) -> Vec<u8> {
    command.at(index).unwrap_or_default().to_vec()
}

/// Whole milliseconds, more than none. Whether they are too few or too many is for the primitive to say.
pub(super) fn ttl<A: Arguments + ?Sized>(command: &A, index: usize, name: &str) -> Result<Duration, ParseError> {
    let millis = integer(command, index)?;
    match u64::try_from(millis) {
        Ok(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        Ok(_) | Err(_) => Err(ParseError::Argument(format!("invalid expire time in '{name}' command"))),
    }
}

/// A token; `None` for a number that was never given as one.
pub(super) fn token<A: Arguments + ?Sized>(command: &A, index: usize) -> Result<Option<Token>, ParseError> {
    Ok(u64::try_from(integer(command, index)?).ok().and_then(Token::new))
}

/// `NONCE nonce` from `index` on, if there is anything.
pub(super) fn nonce<A: Arguments + ?Sized>(command: &A, index: usize) -> Result<Option<Vec<u8>>, ParseError> {
    let named = command.at(index).is_some_and(|word| word.eq_ignore_ascii_case(b"nonce"));
    match command.count().saturating_sub(index) {
        0 => Ok(None),
        2 if named => Ok(Some(word(command, index + 1))),
        _ => Err(ParseError::Argument("syntax error: only NONCE with a nonce may follow the ttl".to_owned())),
    }
}

/// The caller's nonce, or one of our own.
pub(super) fn nonce_of(callers: &Option<Vec<u8>>) -> Result<Nonce, Refusal> {
    callers.as_ref().map_or_else(|| Ok(Nonce::random()), |bytes| Nonce::of_caller(bytes))
}

/// What a token that was never given comes to.
pub(super) fn not_held(name: &str) -> Refusal {
    Refusal::not_held(name)
}

/// The reply, or the error as one.
pub(super) fn reply_of(answered: Result<Vec<u8>, Refusal>) -> Vec<u8> {
    answered.unwrap_or_else(|refusal| {
        let mut out = Vec::new();
        refusal.encode(&mut out);
        out
    })
}

fn integer<A: Arguments + ?Sized>(command: &A, index: usize) -> Result<i64, ParseError> {
    let text = std::str::from_utf8(command.at(index).unwrap_or_default()).ok();
    // Redis takes neither a sign nor zeros in front.
    let canonical = |text: &&str| text.parse::<i64>().is_ok_and(|number| number.to_string() == **text);
    let number = text.filter(canonical).and_then(|text| text.parse().ok());
    number.ok_or_else(|| ParseError::Argument("value is not an integer or out of range".to_owned()))
}
