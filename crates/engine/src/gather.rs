//! A command on several keys that no node could answer whole is answered key by key.
//!
//! Keys that the primary has answered keep their answers; the others are looked for tier by tier, together, each on
//! its own route. If one of them cannot be answered the whole command gets that error: an array with a hole in it
//! would say "absent" where nobody knows.

use failsoft_core::outcome::MissCause;
use failsoft_core::refusal::Refusal;
use failsoft_core::{Outcome, Time};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::reply::{self, Head};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::facts::{Answered, Facts};
use crate::job::{Job, Matter};
use crate::route::Way;
use crate::value::Shape;
use crate::verb::{ManyVerb, Verb};
use crate::words::Words;

/// What stands for a key whose search has died.
const LOST: &[u8] = b"-UNAVAILABLE nothing was done, try again reason=internal retry-after-ms=100\r\n";
/// Keys of one command that are looked for at once.
const AT_ONCE: usize = 256;

/// What is known of a key before it is looked for.
enum Known {
    /// The primary's reply for it.
    Answered(Vec<u8>),
    /// What came of asking the primary for it, and its reply.
    Asked(Outcome, Vec<u8>),
    /// Nothing.
    Nothing,
}

/// Answers `frame`, of which the primary has said `outcome` with `reply`.
///
/// Without an outcome the primary has not been asked.
pub async fn gather(
    context: &Context,
    verb: ManyVerb,
    frame: &[u8],
    asked: Option<(Outcome, &[u8])>,
    protocol: Protocol,
) -> Answered {
    let words = Words::of(frame);
    let keys = words.as_slices().get(1..).unwrap_or_default();
    let known = what_is_known(verb, keys.len(), asked);
    let begun = context.now();
    let mut answers = Answers { replies: vec![LOST.to_vec(); keys.len()], facts: Facts::default() };
    let mut under_way = JoinSet::new();
    for (index, (key, known)) in keys.iter().zip(known).enumerate() {
        match known {
            Known::Answered(reply) => answers.keep(index, Answered { reply, facts: Facts::OF_PRIMARY }),
            // MGET answers nil for a hash that is there, too; no load would make a string of it.
            Known::Asked(Outcome::Miss(_), reply) if makes_hashes(context, key) => {
                answers.keep(index, Answered { reply, facts: Facts::OF_PRIMARY });
            }
            Known::Asked(outcome, reply) => {
                let job = job(context, verb.single(), key, protocol, begun);
                let job = job.having_asked(context, outcome, reply, context.now());
                spawn(&mut under_way, context, job, index);
            }
            Known::Nothing => spawn(&mut under_way, context, job(context, verb.single(), key, protocol, begun), index),
        }
        if under_way.len() >= AT_ONCE {
            collect_one(&mut under_way, &mut answers).await;
        }
    }
    while !under_way.is_empty() {
        collect_one(&mut under_way, &mut answers).await;
    }
    let mut reply = Vec::new();
    combine(verb, &answers.replies, protocol, &mut reply);
    Answered { reply, facts: answers.facts }
}

/// What has come back for each key.
struct Answers {
    replies: Vec<Vec<u8>>,
    facts: Facts,
}

impl Answers {
    fn keep(&mut self, index: usize, answered: Answered) {
        self.replies[index] = answered.reply;
        self.facts = self.facts.or_worse(answered.facts);
    }
}

fn what_is_known(verb: ManyVerb, keys: usize, asked: Option<(Outcome, &[u8])>) -> Vec<Known> {
    match (verb, asked) {
        (ManyVerb::MGet, Some((Outcome::Hit, reply))) => reply::elements(reply)
            .map(|element| match reply::head(element) {
                Some(Head::Nil) => Known::Asked(Outcome::Miss(MissCause::Absent), element.to_vec()),
                _ => Known::Answered(element.to_vec()),
            })
            .collect(),
        // They are not where they were looked for, or not all in one place: each for itself is.
        (_, Some((Outcome::Refused(Refusal::Moved | Refusal::Ask | Refusal::TryAgain), _))) => {
            (0..keys).map(|_| Known::Nothing).collect()
        }
        // A count does not say which of the keys are there.
        (ManyVerb::Exists, Some((Outcome::Hit | Outcome::Miss(_), _))) | (_, None) => {
            (0..keys).map(|_| Known::Nothing).collect()
        }
        (_, Some((outcome, reply))) => (0..keys).map(|_| Known::Asked(outcome, reply.to_vec())).collect(),
    }
}

fn spawn(under_way: &mut JoinSet<(usize, Answered)>, context: &Context, job: Job, index: usize) {
    let context = context.clone();
    under_way.spawn(async move { (index, context.answer(job).await) });
}

fn makes_hashes(context: &Context, key: &[u8]) -> bool {
    let world = &context.world;
    world.route(world.route_of(key)).source.as_ref().is_some_and(|source| source.query.shape() == Shape::Hash)
}

fn job(context: &Context, verb: Verb, key: &[u8], protocol: Protocol, begun: Time) -> Job {
    let name: &[u8] = if verb == Verb::Exists { b"EXISTS" } else { b"GET" };
    let mut frame = Vec::new();
    encode::command(&mut frame, [name, key]);
    let end = frame.len() - 2;
    let span = (end - key.len()) as u32..end as u32;
    let matter = Matter {
        route: context.world.route_of(key),
        place: context.views.redis.place_of(key),
        way: Way::Through,
        verb: Some(verb),
        key: span,
        protocol,
        stand_in: None,
    };
    // The caller may have a write under way that a copy does not show yet.
    Job::new(&context.world, matter, frame, begun).passing_front()
}

async fn collect_one(under_way: &mut JoinSet<(usize, Answered)>, answers: &mut Answers) {
    if let Some(Ok((index, answered))) = under_way.join_next().await {
        answers.keep(index, answered);
    }
}

fn combine(verb: ManyVerb, answers: &[Vec<u8>], protocol: Protocol, out: &mut Vec<u8>) {
    // MGET answers a key of another type with nil.
    let wrong_type = |answer: &Vec<u8>| verb == ManyVerb::MGet && answer.starts_with(b"-WRONGTYPE");
    if let Some(error) = answers.iter().find(|answer| answer.starts_with(b"-") && !wrong_type(answer)) {
        out.extend_from_slice(error);
        return;
    }
    match verb {
        ManyVerb::MGet => {
            encode::array_header(out, answers.len());
            for answer in answers {
                if wrong_type(answer) {
                    encode::nil(out, protocol);
                } else {
                    out.extend_from_slice(answer);
                }
            }
        }
        ManyVerb::Exists => {
            encode::integer(out, answers.iter().filter(|answer| answer.as_slice() == b":1\r\n").count() as i64);
        }
    }
}
