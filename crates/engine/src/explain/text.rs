//! An explanation in words: what was asked, whose it is, what happens step by step, and what the client sees.

use std::fmt::Write as _;
use std::time::Duration;

use failsoft_core::mode::Mode;
use failsoft_core::outage::OnOutage;
use failsoft_core::plan::Intent;
use failsoft_core::request::Ending;
use failsoft_core::role::Stance;
use failsoft_core::stale::Acceptance;
use failsoft_core::{Outcome, Tier};

use super::{Event, Explanation, Located, Sent, Stage, Told, Unasked, Walk};
use crate::route::Way;

/// What an explanation does not know, and its text tells.
pub trait Scenery {
    /// Where the route is written that is at this place among those listed: `FILE:LINE`.
    fn source(&self, place: usize) -> Option<String>;

    /// The shard that something belongs to, or the only one, in lines; none where there is nothing to tell of it.
    fn shard(&self, located: Option<&Located>) -> Vec<String>;

    /// Each shard in lines.
    fn shards(&self) -> Vec<Vec<String>>;
}

/// What is put into words.
pub struct Explained<'e> {
    /// The command.
    pub words: &'e [&'e [u8]],
    /// How tiers were taken to be, as it was written.
    pub when: &'e [String],
    /// What would become of it.
    pub explanation: &'e Explanation<'e>,
    /// What there is to tell besides.
    pub scenery: &'e dyn Scenery,
}

/// The explanation, several lines.
pub fn of(explained: &Explained<'_>) -> String {
    let mut text = String::new();
    let class = explained.explanation.class.map_or_else(|| "unknown".to_owned(), |class| class.to_string());
    line(&mut text, "command", &format!("{} ({class})", shown_words(explained.words)));
    if !explained.when.is_empty() {
        line(&mut text, "when", &explained.when.join(", "));
    }
    match &explained.explanation.told {
        Told::Here | Told::Own | Told::WrongArity | Told::AboutCluster | Told::CrossSlot | Told::Scattered { .. } => {}
        Told::Everywhere(_) => all_shards(&mut text, explained),
        Told::Dedicated | Told::Unknown { .. } | Told::Walked(_) | Told::TakenApart { .. } => {
            whereabouts(&mut text, explained, explained.explanation.located.as_ref());
        }
    }
    tell(&mut text, explained, &explained.explanation.told);
    text
}

fn whereabouts(text: &mut String, explained: &Explained<'_>, located: Option<&Located>) {
    if let Some(located) = located {
        line(text, "slot", &slot(located));
    }
    if located.is_some() || !explained.explanation.view.is_sharded() {
        lines(text, "shard", &explained.scenery.shard(located));
    }
}

fn all_shards(text: &mut String, explained: &Explained<'_>) {
    explained.scenery.shards().iter().for_each(|shard| lines(text, "shard", shard));
}

/// The slot, and what decided for it.
pub fn slot(located: &Located) -> String {
    let tag = located.tag.as_deref().map_or_else(String::new, |tag| format!(", by the hash tag {{{}}}", shown(tag)));
    format!("{}{tag}", located.slot)
}

fn tell(text: &mut String, explained: &Explained<'_>, told: &Told<'_>) {
    match told {
        Told::Here => line(
            text,
            "answered",
            "here: it is about the client's own connection, no node is asked unless it takes one for itself",
        ),
        Told::Dedicated => {
            line(text, "answered", "by the primary alone, on a connection that belongs to this client");
            line(text, "because", "it gives its connection a state or occupies it; without the primary: UNAVAILABLE");
        }
        // Said as an error before anything is printed.
        Told::WrongArity => {}
        Told::Unknown { nearest, walk } => {
            let name = name_of(explained.explanation, explained.words);
            let nearest = nearest.map_or_else(String::new, |near| format!("; did you mean {}?", near.to_uppercase()));
            line(text, "note", &format!("failsoft knows no command {name}{nearest}"));
            line(text, "", "it is passed to the primary once, as a module's command would be");
            describe(text, explained, walk);
        }
        Told::Walked(walk) => describe(text, explained, walk),
        Told::TakenApart { whole, keys } => {
            let rest = if keys.is_empty() { "" } else { ", not for every key" };
            let rest = if matches!(whole.event, Event::Asked { outcome: Outcome::Hit, .. }) { rest } else { "" };
            line(text, "steps", &format!("1. all keys: {}{rest}", stage(whole)));
            if keys.is_empty() {
                line(text, "reply", &format!("what the {} says", whole.tier));
            } else {
                line(text, "", "2. key by key, together; one that cannot be answered makes its error the reply");
            }
            for walk in keys {
                text.push('\n');
                line(text, "key", &shown(walk.key.as_deref().unwrap_or_default()));
                describe(text, explained, walk);
            }
        }
        Told::Own => line(text, "answered", "here: it is a command of failsoft's own, which no Redis has"),
        Told::AboutCluster => line(text, "answered", "here: to its clients failsoft is the cluster"),
        Told::CrossSlot => line(text, "reply", "-CROSSSLOT: its keys lie in several slots, and it is one act"),
        Told::Everywhere(walk) => {
            line(text, "asked", "every shard, or one after the other as its cursor says; each like this");
            describe(text, explained, walk);
        }
        Told::Scattered { parts } => {
            line(text, "asked", "slot by slot, together; one part that cannot be answered makes its error the reply");
            for part in parts {
                let keys: Vec<String> = part.keys.iter().map(|key| shown(key)).collect();
                text.push('\n');
                line(text, "part", &keys.join(" "));
                whereabouts(text, explained, Some(&part.located));
                tell(text, explained, &part.told);
            }
        }
    }
}

/// The command's name as Redis writes it.
pub fn name_of(explanation: &Explanation<'_>, words: &[&[u8]]) -> String {
    match explanation.spec {
        Some(spec) => spec.name.replace('|', " ").to_uppercase(),
        None => shown(words.first().copied().unwrap_or_default()).to_uppercase(),
    }
}

fn describe(text: &mut String, explained: &Explained<'_>, walk: &Walk<'_>) {
    line(text, "route", &route(explained, walk));
    line(text, "role", &role(walk));
    mode(text, walk);
    for (index, (name, value)) in walk.bound.iter().enumerate() {
        line(text, if index == 0 { "bound" } else { "" }, &format!("{name} = {}", shown(value)));
    }
    steps(text, "steps", &walk.stages);
    for (tier, why) in &walk.unasked {
        line(text, "", &format!("   {tier}: {}", unasked(*why)));
    }
    line(text, "reply", &reply(walk));
    let deadline = walk.plan().deadline;
    line(
        text,
        "time",
        &format!("at most {}; in any case at most {}, the deadline", span(walk.at_most), span(deadline)),
    );
    if explained.when.is_empty() && walk.when_all_fail != walk.stages {
        text.push('\n');
        steps(text, "else", &walk.when_all_fail);
        line(text, "", &format!("   when all fail: {}", ending(walk.ending_when_all_fail, walk)));
    }
}

fn steps(text: &mut String, label: &str, stages: &[Stage]) {
    for (index, told) in stages.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        line(text, label, &format!("{}. {}", index + 1, stage(told)));
    }
}

fn route(explained: &Explained<'_>, walk: &Walk<'_>) -> String {
    match (walk.place, walk.pattern) {
        (Some(place), Some(pattern)) => {
            let source = explained.scenery.source(place).map_or_else(String::new, |source| format!(", {source}"));
            format!("{} (\"{pattern}\"{source})", walk.route.name)
        }
        _ if walk.key.is_some() => "none matches the key: as plain Redis does".to_owned(),
        _ => "none: as plain Redis does".to_owned(),
    }
}

fn mode(text: &mut String, walk: &Walk<'_>) {
    let told = match walk.mode {
        Mode::Auto => return,
        Mode::OriginOnly => "no Redis node is asked, as an operator wants it",
        Mode::PassThrough => "as plain Redis, as an operator wants it: the role does not count",
    };
    line(text, "mode", &format!("{}: {told}", walk.mode));
}

fn role(walk: &Walk<'_>) -> String {
    let role = walk.route.role;
    if walk.route.stands_by() {
        let on_outage = walk.route.on_outage;
        return format!("{role}, on_outage = \"{on_outage}\": the primary, once; without it {}", without(on_outage));
    }
    let stance = match (walk.plan().intent, role.stance()) {
        (Intent::Write, _) => "a write: the primary alone, once",
        (Intent::Read, Stance::Closed) => "fails closed: the primary or a retryable error",
        (Intent::Read, Stance::Open) if walk.way == Way::Nodes => "fails open, but only Redis can answer this command",
        (Intent::Read, Stance::Open) => "fails open: a lower tier may answer",
    };
    format!("{role}, {stance}")
}

fn without(on_outage: OnOutage) -> &'static str {
    match on_outage {
        OnOutage::Closed => "a retryable error",
        OnOutage::Open => "everybody may",
        OnOutage::Local => "this instance's share",
    }
}

/// One step, without its number.
fn stage(stage: &Stage) -> String {
    let whom = stage.whom.as_ref().map_or_else(String::new, |whom| format!(" {whom}"));
    let told = match &stage.event {
        Event::Asked { within, outcome, sent } => {
            format!("{}, at most {}: {outcome}", asked(*sent), span(*within))
        }
        Event::Learned { within } => format!("who owns the slot is asked anew, at most {}", span(*within)),
        Event::Looked { acceptance, outcome } => format!("looked for {}: {outcome}", copy(*acceptance)),
        Event::Paused(pause) => format!("asked again after at most {}", span(*pause)),
        Event::PassedOver(outcome) => format!("passed over: {}", outcome.reason()),
        Event::Served => "the route's own value".to_owned(),
    };
    let at = if stage.at.is_zero() { String::new() } else { format!(" (after {})", span(stage.at)) };
    format!("{}{whom}{at}: {told}", stage.tier)
}

fn asked(sent: Sent) -> &'static str {
    match sent {
        Sent::Directly => "asked",
        Sent::ByMoved => "the owner that MOVED names is asked at once",
        Sent::ByAsk => "the node that ASK names is asked at once, with ASKING before it in the same write",
    }
}

fn copy(acceptance: Acceptance) -> String {
    match acceptance {
        Acceptance::Coherent => "a coherent copy".to_owned(),
        Acceptance::Fresh => "a fresh copy".to_owned(),
        Acceptance::StaleUpTo(Duration::ZERO) => "a copy, fresh".to_owned(),
        Acceptance::StaleUpTo(budget) => format!("a copy, fresh or stale up to {}", span(budget)),
    }
}

fn unasked(why: Unasked) -> &'static str {
    match why {
        Unasked::NotNeeded => "not needed",
        Unasked::AbsentAbove => "not asked: a node has said absent, older copies no longer count",
    }
}

fn reply(walk: &Walk<'_>) -> String {
    match &walk.reply {
        Some(bytes) if is_own_error(walk.ending) => first_line(bytes),
        Some(bytes) => format!("{}    ({})", first_line(bytes), ending(walk.ending, walk)),
        None => ending(walk.ending, walk),
    }
}

/// failsoft's own errors say for themselves what they mean.
fn is_own_error(ending: Ending) -> bool {
    match ending {
        Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_) => true,
        Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_) => false,
    }
}

/// How a walk ends, in words.
pub fn ending(ending: Ending, walk: &Walk<'_>) -> String {
    match ending {
        Ending::Value(Tier::Local) if walk.route.stands_by() => "counted here, this instance's share".to_owned(),
        Ending::Value(Tier::Default) if walk.route.stands_by() => "let through, as a first request".to_owned(),
        Ending::Value(Tier::Local) => format!("value from local ({})", age(walk)),
        Ending::Value(Tier::Default) => "the route's default value".to_owned(),
        Ending::Value(tier) if walk.way == Way::Through => format!("value from {tier}"),
        Ending::Value(tier) => format!("what {tier} replies, byte for byte"),
        Ending::Absent(Tier::Origin) if walk.route.aside.is_some() => {
            "absent: whoever asks makes the value, and others wait for it".to_owned()
        }
        Ending::Absent(tier) => format!("absent, says {tier}"),
        Ending::PassOn(tier) => format!("the error of {tier}, in its own words"),
        Ending::Unavailable(_) => "nothing was done, try again".to_owned(),
        Ending::Overloaded(_) => "shed to protect the origin, nothing was done".to_owned(),
        Ending::OutcomeUnknown(_) => "sent and not answered: it may have happened".to_owned(),
    }
}

fn age(walk: &Walk<'_>) -> String {
    let stale = walk.stages.iter().rev().find_map(|stage| match stage.event {
        Event::Looked { acceptance: Acceptance::StaleUpTo(budget), outcome: Outcome::Hit } if !budget.is_zero() => {
            Some(budget)
        }
        Event::Looked { .. }
        | Event::Asked { .. }
        | Event::Learned { .. }
        | Event::Paused(_)
        | Event::PassedOver(_)
        | Event::Served => None,
    });
    stale.map_or_else(|| "fresh".to_owned(), |budget| format!("stale up to {}", span(budget)))
}

/// The first line of a reply, and of a bulk string its content.
pub fn first_line(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let mut lines = text.split("\r\n");
    let head = lines.next().unwrap_or_default();
    match (head.as_bytes().first(), lines.next()) {
        (Some(b'$'), Some(content)) if head != "$-1" => format!("\"{content}\""),
        (Some(b'$'), _) => "(nil)".to_owned(),
        _ => head.to_owned(),
    }
}

fn shown_words(words: &[&[u8]]) -> String {
    words.iter().map(|word| shown(word)).collect::<Vec<_>>().join(" ")
}

/// Bytes as text; what cannot be printed is escaped.
pub fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A duration in the largest unit that says it exactly enough.
fn span(duration: Duration) -> String {
    let rounded = Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    match rounded.as_millis() {
        0 => "0ms".to_owned(),
        millis if millis < 10_000 && millis % 1_000 != 0 => format!("{millis}ms"),
        millis if millis < 120_000 => format!("{}s", millis / 1_000),
        millis if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
        millis if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
        millis => format!("{}s", millis / 1_000),
    }
}

fn line(text: &mut String, label: &str, content: &str) {
    writeln!(text, "{label:<9} {content}").expect("writing into a string does not fail");
}

fn lines(text: &mut String, label: &str, told: &[String]) {
    for (index, told) in told.iter().enumerate() {
        line(text, if index == 0 { label } else { "" }, told);
    }
}
