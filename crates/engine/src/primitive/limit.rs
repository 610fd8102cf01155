//! `FAILSOFT LIMIT`: whether somebody may, once more.
//!
//! Decided where the key is, by a script on the server's clock; see `limit.lua`, and [`failsoft_core::limit`] for the
//! arithmetic. While Redis is away the route says what becomes of the request: an error, a yes, or this instance's
//! share of the limit. An answer that did not come is taken for an absence: it may have counted, and then
//! the caller has been counted once too often and nobody has been let in who should not.

use std::time::Duration;

use failsoft_core::limit::{Limit, Verdict};
use failsoft_core::mode::Mode;
use failsoft_core::outage::{OnOutage, is_away};
use failsoft_core::role::Role;
use failsoft_resp::encode::Protocol;
use failsoft_resp::reply::{self, Head};

use super::limits::Limits;
use super::refusal::Refusal;
use super::route_for;
use super::script::{Form, Script, is_unknown};
use super::table::LONGEST_KEY;
use crate::context::Context;
use crate::job::{Job, Matter};
use crate::route::Way;
use crate::world::RouteId;

/// The script's text, for tests that hold it against the core.
pub const SCRIPT: &str = include_str!("limit.lua");

static DECIDE: Script = Script::new(SCRIPT);

/// What was decided, and who decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// By whom.
    pub basis: Basis,
}

/// Who has decided about a request under a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Redis, for everybody.
    Redis,
    /// This instance, within its share of the limit.
    Local,
    /// Nobody: the route lets everything through while Redis is away.
    Open,
}

impl Basis {
    /// Every basis.
    pub const ALL: [Self; 3] = [Self::Redis, Self::Local, Self::Open];

    /// The name used in replies and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Local => "local",
            Self::Open => "open",
        }
    }
}

/// What was decided: the values of the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It may not pass.
    Limited,
    /// It may.
    Allowed,
}

impl Decided {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Limited, Self::Allowed];

    /// What `verdict` says.
    pub fn of(verdict: Verdict) -> Self {
        if verdict.allowed { Self::Allowed } else { Self::Limited }
    }

    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::Allowed => "allowed",
        }
    }
}

/// One request under a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'k> {
    pub(super) route: RouteId,
    pub(super) key: &'k [u8],
    pub(super) limit: Limit,
    /// Zero where only a debt is to be told.
    pub(super) cost: u32,
}

/// Why Redis has not decided.
pub(super) enum Undecided {
    /// It is away: this is what a caller is told whose route fails closed.
    Away(Refusal),
    /// It will not.
    Refused(Refusal),
}

/// Lets `cost` through under the limit of `key`, if the limit allows it.
///
/// # Errors
/// The key's route has another role, the cost is out of bounds, Redis refuses the key, or Redis is away and the route
/// fails closed.
pub async fn request(context: &Context, key: &[u8], limit: Limit, cost: u32) -> Result<Decision, Refusal> {
    let route = route_for(&context.world, key, Role::RateLimit, "LIMIT")?;
    if key.len() > LONGEST_KEY {
        return Err(Refusal::error(format!("the key of a limit must not be longer than {LONGEST_KEY} bytes")));
    }
    limit.allows_cost(cost).map_err(Refusal::error)?;
    let wish = Wish { route, key, limit, cost };
    let decided = match ask(context, wish).await {
        Ok(verdict) => Ok(Decision { verdict, basis: Basis::Redis }),
        Err(Undecided::Refused(refusal)) => Err(refusal),
        Err(Undecided::Away(refusal)) => without_redis(context, wish).ok_or(refusal),
    };
    if let Ok(decision) = &decided {
        context.world.route(route).stats.handle_limited(decision.basis, Decided::of(decision.verdict));
    }
    decided
}

fn without_redis(context: &Context, wish: Wish<'_>) -> Option<Decision> {
    let Wish { route, key, limit, cost } = wish;
    let route = context.world.route(route);
    match (route.mode.get(), route.on_outage) {
        (Mode::PassThrough, _) | (_, OnOutage::Closed) => None,
        (Mode::Auto | Mode::OriginOnly, OnOutage::Open) => {
            Some(Decision { verdict: limit.first(cost), basis: Basis::Open })
        }
        (Mode::Auto | Mode::OriginOnly, OnOutage::Local) => {
            let limits = context.world.limits();
            let verdict = limits.shares().request(key, limit, limits.sharers(), cost, context.now());
            limits.wake();
            Some(Decision { verdict, basis: Basis::Local })
        }
    }
}

/// Has Redis decide, and tells it what is owed for the key.
pub(super) async fn ask(context: &Context, wish: Wish<'_>) -> Result<Verdict, Undecided> {
    let limits = context.world.limits();
    let debt = limits.shares().take_debt(wish.key, context.now());
    let reply = match run(context, wish, debt.owed(), Form::Name).await? {
        reply if is_unknown(&reply) => run(context, wish, debt.owed(), Form::Text).await?,
        reply => reply,
    };
    // Where Redis refuses the key there is nothing to be owed.
    limits.stats().handle_told(debt.owed());
    debt.handle_told();
    let Some(verdict) = read(&reply) else {
        let refusal = Refusal::of_error_reply(&reply).unwrap_or_else(Refusal::unintelligible);
        return Err(Undecided::Refused(refusal));
    };
    note(context, limits, wish, verdict);
    Ok(verdict)
}

/// What Redis has said is where the share begins.
fn note(context: &Context, limits: &Limits, wish: Wish<'_>, verdict: Verdict) {
    if context.world.route(wish.route).on_outage == OnOutage::Local {
        let sharers = limits.sharers();
        limits.shares().handle_answered(wish.key, wish.limit, sharers, verdict.reset, context.now());
    }
}

async fn run(context: &Context, wish: Wish<'_>, debt: u32, form: Form) -> Result<Vec<u8>, Undecided> {
    let mut job = job(context, wish, debt, form);
    let progress = job.advance(context, context.now());
    let ending = context.run(&mut job, progress).await;
    let mut reply = Vec::new();
    job.render(&context.world, ending, &[], &mut reply);
    match job.unanswered(ending) {
        Some(outcome) if is_away(outcome) => {
            let refusal = Refusal::of_error_reply(&reply).unwrap_or_else(Refusal::unintelligible);
            Err(Undecided::Away(refusal))
        }
        Some(_) | None => Ok(reply),
    }
}

fn job(context: &Context, wish: Wish<'_>, debt: u32, form: Form) -> Job {
    let Wish { route, key, limit, cost } = wish;
    let period = u64::try_from(limit.period().as_micros()).unwrap_or(u64::MAX);
    let numbers = [u64::from(limit.rate()), period, u64::from(limit.burst()), u64::from(cost), u64::from(debt)];
    let numbers = numbers.map(|number| number.to_string());
    let arguments: Vec<&[u8]> = numbers.iter().map(String::as_bytes).collect();
    let frame = DECIDE.frame(form, &[key], &arguments);
    let matter = Matter {
        route,
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

/// What the script says, if this is what it says.
fn read(reply: &[u8]) -> Option<Verdict> {
    let numbers: Vec<u64> = reply::elements(reply)
        .filter_map(|element| match reply::head(element) {
            Some(Head::Integer(number)) => u64::try_from(number).ok(),
            _ => None,
        })
        .collect();
    let [allowed, remaining, reset, retry, _at] = numbers[..] else { return None };
    Some(Verdict {
        allowed: allowed == 1,
        remaining: u32::try_from(remaining).ok()?,
        reset: Duration::from_micros(reset),
        retry: Duration::from_micros(retry),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_understood_and_nothing_else_is() {
        let verdict =
            Verdict { allowed: true, remaining: 4, reset: Duration::from_micros(1_500), retry: Duration::ZERO };
        assert_eq!(read(b"*5\r\n:1\r\n:4\r\n:1500\r\n:0\r\n:1790000000000000\r\n"), Some(verdict));
        for other in [&b"*4\r\n:1\r\n:4\r\n:1500\r\n:0\r\n"[..], b"+OK\r\n", b"-ERR no\r\n", b""] {
            assert_eq!(read(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
