//! `FAILSOFT LAST`: who gave the last answer on this connection, how old it was, and why nobody above did.
//!
//! A map: `tier` (nil if nobody answered), `answer` (`value`, `absent`, `passed-on` for an error in Redis' words, or the
//! code of failsoft's own error), `age-ms` (of a local copy; 0 for anybody else), `stale` (1 or 0), and `passed-over`, the
//! tiers whose turn it was before, each with what came of it. What failsoft says by itself (PING, this command) is no
//! answer; before the first there is nothing to tell, and the answer is nil.

use failsoft_core::request::Ending;
use failsoft_resp::encode::{self, Protocol};

use crate::facts::Facts;

/// The reply.
pub(super) fn answer(last: &Facts, protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(ending) = last.ending else {
        encode::nil(&mut out, protocol);
        return out;
    };
    encode::map_header(&mut out, 5, protocol);
    encode::bulk(&mut out, b"tier");
    match last.tier() {
        Some(tier) => encode::bulk(&mut out, tier.name().as_bytes()),
        None => encode::nil(&mut out, protocol),
    }
    encode::bulk(&mut out, b"answer");
    encode::bulk(&mut out, word_of(last, ending).as_bytes());
    encode::bulk(&mut out, b"age-ms");
    encode::integer(&mut out, i64::try_from(last.age.as_millis()).unwrap_or(i64::MAX));
    encode::bulk(&mut out, b"stale");
    encode::integer(&mut out, i64::from(last.is_stale));
    encode::bulk(&mut out, b"passed-over");
    encode::map_header(&mut out, last.passed_over().count(), protocol);
    for (tier, outcome) in last.passed_over() {
        encode::bulk(&mut out, tier.name().as_bytes());
        encode::bulk(&mut out, format!("{} {}", outcome.word(), outcome.reason()).as_bytes());
    }
    out
}

fn word_of(last: &Facts, ending: Ending) -> &'static str {
    match ending {
        Ending::Value(_) => "value",
        Ending::Absent(_) => "absent",
        Ending::PassOn(_) => "passed-on",
        Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => {
            last.code().map_or("", |code| code.word())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(last: &Facts, protocol: Protocol) -> String {
        String::from_utf8(answer(last, protocol)).unwrap()
    }

    #[test]
    fn before_the_first_answer_there_is_nothing_to_tell() {
        assert_eq!(told(&Facts::default(), Protocol::Resp2), "$-1\r\n");
        assert_eq!(told(&Facts::default(), Protocol::Resp3), "_\r\n");
    }

    #[test]
    fn a_map_tells_everything() {
        let expected = "%5\r\n$4\r\ntier\r\n$7\r\nprimary\r\n$6\r\nanswer\r\n$5\r\nvalue\r\n$6\r\nage-ms\r\n:0\r\n\
                        $5\r\nstale\r\n:0\r\n$11\r\npassed-over\r\n%0\r\n";
        assert_eq!(told(&Facts::OF_PRIMARY, Protocol::Resp3), expected);
        assert!(told(&Facts::OF_PRIMARY, Protocol::Resp2).starts_with("*10\r\n"));
    }
}
