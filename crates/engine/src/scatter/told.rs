//! What a caller is told of whose command only some parts were done.
//!
//! The worst part speaks: one that may have happened before one that a node refused in its own words, before one that
//! was not done. Of a read there is no more to say. Of a change it is said how much of it was done, in keys or shards;
//! which they are never appears. The first word stays true of what is missing: UNAVAILABLE if that was not done,
//! OUTCOMEUNKNOWN if some of it was sent and not answered.

use std::fmt;

use failsoft_core::request::{Apology, Ending};
use failsoft_resp::encode;
use failsoft_resp::reply::{self, Head};

use super::merge::{Act, Answer, Unit};
use crate::apology::{Code, apologise_saying};

/// How much of a command was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    unit: Unit,
    all: usize,
    done: usize,
    unknown: usize,
}

impl Extent {
    fn of(unit: Unit, answers: &[Answer]) -> Self {
        let counted = |counts: fn(&Answer) -> bool| {
            answers.iter().filter(|answer| counts(answer)).map(|answer| answer.about.len()).sum()
        };
        let unknown = counted(|answer| matches!(answer.ending, Ending::OutcomeUnknown(_)));
        Self { unit, all: counted(|_| true), done: counted(Answer::is_done), unknown }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, all, done, unknown } = self;
        write!(f, "{unit}={all} {unit}-done={done}")?;
        if *unknown > 0 { write!(f, " {unit}-unknown={unknown}") } else { Ok(()) }
    }
}

/// Appends what is said where not all of `answers` are answers.
pub(super) fn tell(act: Act, answers: &[Answer], out: &mut Vec<u8>) {
    let Some(worst) = answers.iter().filter(|answer| !answer.is_done()).min_by_key(|answer| rank(answer)) else {
        return encode::error(out, super::merge::MISFIT);
    };
    let extent = Extent::of(act.unit, answers);
    if !act.changes || extent.done == 0 {
        return out.extend_from_slice(&worst.reply);
    }
    match worst.ending {
        Ending::OutcomeUnknown(apology) => tell_of_ours(Code::OutcomeUnknown, extent, apology, out),
        Ending::Unavailable(apology) => tell_of_ours(Code::Unavailable, extent, apology, out),
        Ending::Overloaded(apology) => tell_of_ours(Code::Overloaded, extent, apology, out),
        Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => match reply::head(&worst.reply) {
            Some(Head::Error(words)) => encode::error(out, &format!("{} {extent}", String::from_utf8_lossy(words))),
            _ => out.extend_from_slice(&worst.reply),
        },
    }
}

fn rank(answer: &Answer) -> u8 {
    match answer.ending {
        Ending::OutcomeUnknown(_) => 0,
        // That no script runs here does not matter if one that runs there cannot be ended.
        Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) if answer.reply.starts_with(b"-NOTBUSY") => 4,
        Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => 1,
        Ending::Unavailable(_) => 2,
        Ending::Overloaded(_) => 3,
    }
}

fn tell_of_ours(code: Code, extent: Extent, apology: Apology, out: &mut Vec<u8>) {
    let sentence = match code {
        Code::Unavailable => "partly done, try again",
        Code::Overloaded => "partly done, the rest was shed to protect the origin",
        Code::OutcomeUnknown => "partly done, and what was sent and not answered may have happened",
    };
    apologise_saying(code, &format!("{sentence} {extent}"), apology, out);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use failsoft_core::outcome::{Failure, Silence};
    use failsoft_core::{Outcome, Tier};

    use super::*;
    use crate::apology::apologise;

    const SAID: Ending = Ending::Value(Tier::Primary);

    fn apology(because: Outcome) -> Apology {
        Apology { tier: Tier::Primary, because, retry_after: Duration::from_millis(100) }
    }

    fn answer(keys: usize, ending: Ending, reply: &str) -> Answer {
        let mut rendered = reply.as_bytes().to_vec();
        match ending {
            Ending::Unavailable(apology) => apologise(Code::Unavailable, apology, &mut rendered),
            Ending::OutcomeUnknown(apology) => apologise(Code::OutcomeUnknown, apology, &mut rendered),
            Ending::Overloaded(_) | Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => {}
        }
        Answer { about: (0..keys).collect(), ending, reply: rendered }
    }

    fn away(keys: usize) -> Answer {
        answer(keys, Ending::Unavailable(apology(Outcome::Failed(Failure::CircuitOpen))), "")
    }

    fn silent(keys: usize) -> Answer {
        answer(keys, Ending::OutcomeUnknown(apology(Outcome::Silent(Silence::Timeout))), "")
    }

    fn told(name: &str, answers: &[Answer]) -> String {
        let spec = failsoft_resp::commands::lookup(name.as_bytes(), None).unwrap();
        let mut out = Vec::new();
        tell(Act::of(spec).unwrap(), answers, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_was_done_is_counted_and_what_is_missing_gives_the_word() {
        let done = || answer(3, SAID, ":2\r\n");
        assert_eq!(
            told("DEL", &[done(), away(2)]),
            "-UNAVAILABLE partly done, try again keys=5 keys-done=3 tier=primary outcome=failed reason=circuit_open \
             retry-after-ms=100\r\n"
        );
        assert_eq!(
            told("DEL", &[away(2), done(), silent(1)]),
            "-OUTCOMEUNKNOWN partly done, and what was sent and not answered may have happened keys=6 keys-done=3 \
             keys-unknown=1 tier=primary outcome=silent reason=reply_timeout retry-after-ms=100\r\n"
        );
        assert_eq!(
            told("FLUSHALL", &[answer(1, SAID, "+OK\r\n"), away(1)]),
            "-UNAVAILABLE partly done, try again shards=2 shards-done=1 tier=primary outcome=failed \
             reason=circuit_open retry-after-ms=100\r\n"
        );
    }

    #[test]
    fn words_of_redis_stay_and_are_told_with_what_was_done() {
        let refused = answer(1, Ending::PassOn(Tier::Primary), "-OOM command not allowed\r\n");
        assert_eq!(
            told("MSET", &[refused.clone(), answer(2, SAID, "+OK\r\n"), away(1)]),
            "-OOM command not allowed keys=4 keys-done=2\r\n"
        );
        assert_eq!(told("MSET", &[refused, away(1)]), "-OOM command not allowed\r\n");
    }

    #[test]
    fn where_nothing_was_done_or_nothing_could_be_the_worst_part_speaks_for_all() {
        assert!(told("DEL", &[away(1), away(2)]).starts_with("-UNAVAILABLE nothing was done, try again tier="));
        assert!(told("MGET", &[answer(1, SAID, "*1\r\n$1\r\na\r\n"), away(2)]).starts_with("-UNAVAILABLE nothing"));
        assert!(told("DEL", &[away(1), silent(2)]).starts_with("-OUTCOMEUNKNOWN the write was sent"));
    }

    #[test]
    fn a_script_that_cannot_be_ended_is_told_before_shards_without_any() {
        let refusals = ["-NOTBUSY No scripts in execution right now.\r\n", "-UNKILLABLE Sorry\r\n"];
        let answers = refusals.map(|reply| answer(1, Ending::PassOn(Tier::Primary), reply));
        let spec = failsoft_resp::commands::lookup(b"SCRIPT", Some(b"KILL")).unwrap();
        let mut out = Vec::new();
        tell(Act::of(spec).unwrap(), &answers, &mut out);
        assert_eq!(out, b"-UNKILLABLE Sorry\r\n");
    }
}
