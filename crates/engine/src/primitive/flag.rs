//! Flags: what a switch or a piece of configuration is, as far as anybody knows, and a version of it.
//!
//! A flag is read as `GET` of its key is: primary, replica, the last known value in local memory (as old as the route's
//! `max_stale` allows), origin, the route's default; and last the default of whoever asks. What comes with it says whence it
//! is and how old, so that the caller may think less of it.
//!
//! The version is made of the value alone, so that it is the same wherever the value is: two instances that tell the same
//! version mean the same, whether one has it from Redis and the other from memory.

use failsoft_core::Tier;
use failsoft_core::role::Role;
use failsoft_resp::Protocol;
use failsoft_resp::encode;
use failsoft_resp::reply::{Head, head};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

use super::{Refusal, route_for};
use crate::classify::{Course, Read, classify};
use crate::context::Context;
use crate::facts::Answered;
use crate::job::{Job, Matter};
use crate::words::Words;

/// What a flag is, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its value; `None` if it does not exist.
    pub value: Option<Vec<u8>>,
    /// Who says so. [`Tier::Default`] is the route's default, or the caller's.
    pub tier: Tier,
    /// How long ago a value from local memory was obtained; zero for any other.
    pub age: Duration,
}

/// The version of a value: the first eight bytes of its SHA-256 (FIPS 180-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u64);

impl Flag {
    /// The version of its value, if it has one.
    pub fn version(&self) -> Option<Version> {
        self.value.as_deref().map(Version::of)
    }
}

impl Version {
    /// Of this value.
    pub fn of(value: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(value).into();
        Self(digest[..8].iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    }
}

impl fmt::Display for Version {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What the flag called `name` is. Where it does not exist, and where nobody can say, it is `default` if there is one.
///
/// # Errors
/// Nobody can say, Redis refuses, or the key is not on a route with role flag.
pub async fn read(context: &Context, name: &[u8], default: Option<&[u8]>) -> Result<Flag, Refusal> {
    let Answered { reply, facts } = ask(context, name).await?;
    let given = |default: &[u8]| Flag { value: Some(default.to_vec()), tier: Tier::Default, age: Duration::ZERO };
    match (head(&reply), facts.tier(), default) {
        (Some(Head::Bulk(value)), Some(tier), _) => Ok(Flag { value: Some(value.to_vec()), tier, age: facts.age }),
        (Some(Head::Nil), _, Some(default)) => Ok(given(default)),
        (Some(Head::Nil), Some(tier), None) => Ok(Flag { value: None, tier, age: facts.age }),
        (Some(Head::Error(_)), None, Some(default)) if facts.code().is_some() => Ok(given(default)),
        _ => {
            Err(Refusal::of_error_reply(&reply).unwrap_or_else(|| Refusal::error("the flag has no value that is text")))
        }
    }
}

async fn ask(context: &Context, name: &[u8]) -> Result<Answered, Refusal> {
    let world = &context.world;
    let route = route_for(world, name, Role::Flag, "FLAG")?;
    let mut frame = Vec::new();
    encode::command(&mut frame, [b"GET", name]);
    let Course::Read(Read { way, verb, place, .. }) = classify(world, &context.views.redis, &[&b"GET"[..], name][..])
    else {
        return Err(Refusal::error("a flag is read by GET"));
    };
    let key = Words::of(&frame).span(&frame, 1);
    let matter = Matter { route, way, verb, key, place, protocol: Protocol::Resp2, stand_in: None };
    world.handle_request();
    Ok(context.answer(Job::new(world, matter, frame, context.now())).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_of_the_value_alone_and_stay_what_they_are() {
        assert_eq!(Version::of(b"on"), Version::of(b"on"));
        assert_ne!(Version::of(b"on"), Version::of(b"off"));
        // What was published must not change with a version of failsoft: sha256("") begins so.
        assert_eq!(Version::of(b"").to_string(), "e3b0c44298fc1c14");
    }
}
