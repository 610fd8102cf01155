//! The counters of applications while Redis is away, and telling Redis of them on return.
//!
//! One table for the whole process, beside that of the [shares](super::share). An answer that does not come is taken for
//! none: what was counted is told once more, and at worst counts twice.

use failsoft_core::Time;
use failsoft_core::counter::{Counter, Expiry, Telling, Voids};
use failsoft_core::outage::is_away;
use failsoft_core::request::Ending;
use failsoft_resp::encode::Protocol;

use super::count::Count;
use super::limits::Limits;
use super::script::{Form, Script, is_unknown};
use super::table::{LONGEST_KEY, Table, Worth};
use crate::context::Context;
use crate::job::{Job, Matter};
use crate::route::Way;

static TELL: Script = Script::new(include_str!("count.lua"));

/// The counters of all keys.
#[derive(Default)]
pub(crate) struct Counters(Table<Counter>);

/// What has become of a telling.
enum Heard {
    /// Redis has it, or will never take it.
    Yes,
    /// It has not.
    No,
    /// Nobody knows.
    Perhaps,
}

impl Counters {
    /// Carries `count` out on `key`, one of `sharers`, and appends the reply; `false` if the key is not remembered.
    pub(crate) fn answer(
        &self,
        key: &[u8],
        count: Count,
        sharers: u32,
        now: Time,
        protocol: Protocol,
        out: &mut Vec<u8>,
    ) -> bool {
        let is_remembered = key.len() <= LONGEST_KEY;
        if is_remembered {
            self.0.with(
                key,
                now,
                |counter| worth(counter, now),
                Counter::default,
                |counter| {
                    count.answer(counter, sharers, now, protocol, out);
                },
            );
        }
        is_remembered
    }

    /// Up to `most` of the `wanted` keys of which Redis is to be told something.
    pub(super) fn untold(&self, most: usize, wanted: impl Fn(&[u8]) -> bool, now: Time) -> Vec<(Box<[u8]>, Telling)> {
        self.0.pick(most, |key, counter| counter.telling(now).filter(|_| wanted(key)))
    }

    /// Forgets what no longer matters.
    pub(super) fn tidy(&self, now: Time) {
        self.0.tidy(|counter| worth(counter, now));
    }

    /// Keys remembered, and how many had to be forgotten.
    pub(super) fn counts(&self) -> (usize, u64) {
        (self.0.len(), self.0.forgotten())
    }
}

fn worth(counter: &Counter, now: Time) -> Worth {
    match counter.exists(now) || counter.telling(now).is_some() {
        true => Worth::Keep,
        false => Worth::Forget,
    }
}

/// Tells Redis what was counted under `key`.
pub(super) async fn tell(context: &Context, limits: &Limits, key: &[u8], telling: Telling) {
    let heard = match run(context, key, telling, Form::Name).await {
        (Heard::Yes, reply) if is_unknown(&reply) => run(context, key, telling, Form::Text).await.0,
        (heard, _) => heard,
    };
    limits.counters().0.with_known(key, |counter| match heard {
        Heard::Yes => counter.handle_told(&telling),
        Heard::Perhaps => counter.handle_unheard(),
        Heard::No => {}
    });
    if matches!(heard, Heard::Yes) {
        limits.stats().handle_told(u32::try_from(telling.counted.unsigned_abs()).unwrap_or(u32::MAX).max(1));
    }
}

async fn run(context: &Context, key: &[u8], telling: Telling, form: Form) -> (Heard, Vec<u8>) {
    let mut job = job(context, key, telling, form);
    let progress = job.advance(context, context.now());
    let ending = context.run(&mut job, progress).await;
    let mut reply = Vec::new();
    job.render(&context.world, ending, &[], &mut reply);
    let heard = match (ending, job.unanswered(ending)) {
        (Ending::OutcomeUnknown(_), _) => Heard::Perhaps,
        (_, Some(outcome)) if is_away(outcome) => Heard::No,
        // It holds something else, or may not be written: it will not be told later either.
        _ => Heard::Yes,
    };
    (heard, reply)
}

fn job(context: &Context, key: &[u8], telling: Telling, form: Form) -> Job {
    let Telling { voids, base, counted, expires } = telling;
    let voids = if voids == Voids::All { "1" } else { "0" };
    let base = base.map(|base| base.to_string()).unwrap_or_default();
    let expires = match expires {
        Expiry::Unsaid => String::new(),
        Expiry::Never => "0".to_owned(),
        Expiry::At(at) => at.since(context.now()).as_millis().max(1).to_string(),
    };
    let counted = counted.to_string();
    let arguments = [voids.as_bytes(), base.as_bytes(), counted.as_bytes(), expires.as_bytes()];
    let frame = TELL.frame(form, &[key], &arguments);
    let matter = Matter {
        route: context.world.route_of(key),
        way: Way::Write,
        verb: None,
        key: frame.key,
        place: context.views.redis.place_of(key),
        protocol: Protocol::Resp2,
        stand_in: None,
    };
    context.world.handle_request();
    Job::new(&context.world, matter, frame.bytes, context.now())
}
