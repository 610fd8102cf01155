//! `FAILSOFT FLAG name [default]`: what a flag is, as far as anybody knows.
//!
//! An array: the value (nil if there is none), its version (sixteen hexadecimal digits, the same on every instance that has
//! the same value; nil without a value), the tier that it is from, and its age in whole milliseconds. See
//! [`primitive::flag`](crate::primitive::flag).

use failsoft_resp::commands::Arguments;
use failsoft_resp::encode::{self, Protocol};

use super::error::ParseError;
use crate::context::Context;
use crate::primitive::flag::{self, Flag};

/// A question about a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagCommand {
    name: Box<[u8]>,
    default: Option<Box<[u8]>>,
}

impl FlagCommand {
    pub(super) fn key(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn read<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        if command.count() > 4 {
            return Err(ParseError::Arity("failsoft|flag"));
        }
        Ok(Self { name: command.at(2).unwrap_or_default().into(), default: command.at(3).map(Box::from) })
    }

    pub(super) async fn answer(&self, context: &Context, protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        match flag::read(context, &self.name, self.default.as_deref()).await {
            Ok(flag) => encode(&flag, protocol, &mut out),
            Err(refusal) => refusal.encode(&mut out),
        }
        out
    }
}

fn encode(flag: &Flag, protocol: Protocol, out: &mut Vec<u8>) {
    encode::array_header(out, 4);
    match (&flag.value, flag.version()) {
        (Some(value), Some(version)) => {
            encode::bulk(out, value);
            encode::bulk(out, version.to_string().as_bytes());
        }
        _ => {
            encode::nil(out, protocol);
            encode::nil(out, protocol);
        }
    }
    encode::bulk(out, flag.tier.name().as_bytes());
    encode::integer(out, i64::try_from(flag.age.as_millis()).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use failsoft_core::Tier;

    use super::*;

    #[test]
    fn a_flag_is_told_with_its_version_its_tier_and_its_age() {
        let told = |value: Option<&str>| {
            let value = value.map(|value| value.as_bytes().to_vec());
            let mut out = Vec::new();
            encode(&Flag { value, tier: Tier::Local, age: Duration::from_millis(1_500) }, Protocol::Resp2, &mut out);
            String::from_utf8(out).unwrap()
        };
        let expected = "*4\r\n$2\r\non\r\n$16\r\nb8d31e852725afb1\r\n$5\r\nlocal\r\n:1500\r\n";
        assert_eq!(told(Some("on")), expected);
        assert_eq!(told(None), "*4\r\n$-1\r\n$-1\r\n$5\r\nlocal\r\n:1500\r\n");
    }
}
