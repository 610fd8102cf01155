//! Puts the replies of several shards together as one server would have said it.
//!
//! Replies are walked, not decoded: an element of an MGET goes from its shard's frame into the whole as it is.

use std::collections::HashSet;
use std::fmt;

use failsoft_core::request::Ending;
use failsoft_resp::commands::{Flags, Merge, Spec, Spread};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Elements, Head};

use super::told;

/// A command of several parts, as far as their replies are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// How they become one.
    pub merge: Merge,
    /// What its parts are parts of.
    pub unit: Unit,
    /// Whether it does something that may be done in part.
    pub(super) changes: bool,
}

/// What a command is taken apart into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Its keys.
    Keys,
    /// The shards that it goes to.
    Shards,
}

impl Act {
    /// What becomes of a command in a cluster, unless it goes to one shard at a time.
    pub fn of(spec: &Spec) -> Option<Self> {
        let (unit, merge) = match spec.spread {
            Spread::Keys(merge) => (Unit::Keys, merge),
            Spread::Shards(merge) => (Unit::Shards, merge),
            Spread::Whole | Spread::Cursor => return None,
        };
        let changes = merge == Merge::Unanimous || spec.flags.contains(Flags::WRITE);
        Some(Self { merge, unit, changes })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys => "keys",
            Self::Shards => "shards",
        })
    }
}

/// What came of one part of a command.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which of the whole command's keys it was about; for a command without keys its shard's number alone.
    pub about: Vec<usize>,
    /// How it ended.
    pub ending: Ending,
    /// The reply that a client would have been given for it.
    pub reply: Vec<u8>,
}

impl Answer {
    /// Whether there is an answer, and it is not an error.
    pub(super) fn is_done(&self) -> bool {
        match self.ending {
            Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => !self.is_error(),
            Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => false,
        }
    }

    fn is_error(&self) -> bool {
        !matches!(reply::head(&self.reply), Some(head) if !matches!(head, Head::Error(_)))
    }
}

/// A shard's reply is not of the kind that its command has.
struct Misfit;

pub(super) const MISFIT: &str = "ERR what a shard answered does not fit the command";

/// Appends the reply to the whole command, whose parts were answered with `answers`, in the order of the shards.
pub fn merge(act: Act, answers: &[Answer], protocol: Protocol, out: &mut Vec<u8>) {
    let is_spoiled = match act.merge {
        Merge::AnyOne => !answers.iter().any(Answer::is_done),
        Merge::InOrder
        | Merge::Sum
        | Merge::Everywhere
        | Merge::Unanimous
        | Merge::Concat
        | Merge::Union
        | Merge::SumByName
        | Merge::FirstFound => !answers.iter().all(Answer::is_done),
    };
    if is_spoiled {
        return told::tell(act, answers, out);
    }
    let begin = out.len();
    if merge_done(act.merge, answers, protocol, out).is_err() {
        out.truncate(begin);
        encode::error(out, MISFIT);
    }
}

fn merge_done(merge: Merge, answers: &[Answer], protocol: Protocol, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match merge {
        Merge::InOrder => in_order(answers, out),
        Merge::Sum => sum(answers, out),
        Merge::Everywhere => by_place(answers, out, |one, other| one.min(other)),
        Merge::SumByName => by_place(answers, out, i64::saturating_add),
        Merge::Unanimous => first(answers, |_| true, protocol, out),
        Merge::AnyOne => first(answers, Answer::is_done, protocol, out),
        Merge::FirstFound => first(answers, |answer| reply::head(&answer.reply) != Some(Head::Nil), protocol, out),
        Merge::Concat => list(all_elements(answers)?, out),
        Merge::Union => {
            let mut seen = HashSet::<_, foldhash::fast::RandomState>::default();
            let mut elements = all_elements(answers)?;
            elements.retain(|element| seen.insert(*element));
            list(elements, out)
        }
    }
}

fn all_elements(answers: &[Answer]) -> Result<Vec<&[u8]>, Misfit> {
    let lists = answers.iter().map(|answer| elements(&answer.reply)).collect::<Result<Vec<_>, _>>()?;
    Ok(lists.into_iter().flatten().collect())
}

fn elements(frame: &[u8]) -> Result<Elements<'_>, Misfit> {
    match reply::head(frame) {
        Some(Head::Aggregate { .. }) => Ok(reply::elements(frame)),
        _ => Err(Misfit),
    }
}

fn in_order(answers: &[Answer], out: &mut Vec<u8>) -> Result<(), Misfit> {
    let keys = answers.iter().map(|answer| answer.about.len()).sum();
    let mut places: Vec<Option<&[u8]>> = vec![None; keys];
    for answer in answers {
        let mut elements = elements(&answer.reply)?;
        for key in &answer.about {
            *places.get_mut(*key).ok_or(Misfit)? = elements.next();
        }
        if elements.next().is_some() {
            return Err(Misfit);
        }
    }
    list(places.into_iter().collect::<Option<_>>().ok_or(Misfit)?, out)
}

fn sum(answers: &[Answer], out: &mut Vec<u8>) -> Result<(), Misfit> {
    let numbers = answers.iter().map(|answer| number(&answer.reply));
    let sum = numbers.reduce(|sum, number| Ok(sum?.saturating_add(number?)));
    encode::integer(out, sum.unwrap_or(Ok(0))?);
    Ok(())
}

fn number(frame: &[u8]) -> Result<i64, Misfit> {
    match reply::head(frame) {
        Some(Head::Integer(number)) => Ok(number),
        _ => Err(Misfit),
    }
}

/// Lists of the same shape, place by place: numbers are joined, names are the same everywhere.
fn by_place(answers: &[Answer], out: &mut Vec<u8>, join: fn(i64, i64) -> i64) -> Result<(), Misfit> {
    let mut lists = answers.iter().map(|answer| Ok(elements(&answer.reply)?.collect::<Vec<_>>()));
    let mut joined: Vec<Vec<u8>> = lists.next().ok_or(Misfit)??.into_iter().map(<[u8]>::to_vec).collect();
    for list in lists {
        let list = list?;
        if list.len() != joined.len() {
            return Err(Misfit);
        }
        for (place, element) in joined.iter_mut().zip(list) {
            match (reply::head(place), reply::head(element)) {
                (Some(Head::Integer(one)), Some(Head::Integer(other))) => {
                    place.clear();
                    encode::integer(place, join(one, other));
                }
                (one, other) if one == other => {}
                _ => return Err(Misfit),
            }
        }
    }
    list(joined.iter().map(Vec::as_slice).collect(), out)
}

fn list(elements: Vec<&[u8]>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    encode::array_header(out, elements.len());
    elements.into_iter().for_each(|element| out.extend_from_slice(element));
    Ok(())
}

/// The first that `counts`; if none does, nil.
fn first(
    answers: &[Answer],
    counts: impl Fn(&Answer) -> bool,
    protocol: Protocol,
    out: &mut Vec<u8>,
) -> Result<(), Misfit> {
    match answers.iter().find(|answer| counts(answer)) {
        Some(answer) => out.extend_from_slice(&answer.reply),
        None => encode::nil(out, protocol),
    }
    Ok(())
}
